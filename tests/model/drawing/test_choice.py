"""The frames that figures show: spread, apart, seen by the network, and how decidedly its masks choose."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.config import ModelConfig, Size, TrainConfig
from model.data.sampler import Group
from model.drawing.choice import (
    Scored,
    apart,
    best_of_each,
    look_at,
    mask_decision,
    spread_over_openness,
    spread_over_speakers,
    widest_mouths,
)
from model.drawing.corpora import Corpus
from model.evaluation.metrics import MOUTH, region_mask
from model.network.generator import Generator
from model.trained import InferenceSettings, Trained
from pipeline.shards import ShardReader, open_dataset


@pytest.fixture
def corpus(tiny_dataset: Path) -> Corpus:
    """The tiny dataset and a network as initialised, of 32 x 48 pixels."""
    torch.manual_seed(0)
    generator = Generator(ModelConfig(image_size=32, base_channels=2)).eval()
    trained = Trained(generator, TrainConfig(steps=1), Path("none.pt"), 1, "d")
    dataset = open_dataset(tiny_dataset)
    return Corpus("tiny", dataset, "test", {"run": trained}, InferenceSettings(Size(32, 48)))


def test_frames_are_spread_over_speakers_and_openness(corpus: Corpus) -> None:
    first, second = spread_over_speakers(corpus.groups, 9)
    assert [first.video.speaker, second.video.speaker] == ["08F", "09F"]
    assert [group.video.speaker for group in spread_over_speakers(corpus.groups, 1)] == ["09F"]
    shown = spread_over_openness(first, 3)
    with ShardReader(first.video.shard) as shard:
        openness = shard.mouth_openness(shown.target_rows)
        everything = shard.mouth_openness(first.target_rows)
    assert openness.tolist() == np.sort(everything)[[0, 3, 6]].tolist()
    assert len(spread_over_openness(first, 99).target_rows) == 7


def test_the_best_frame_of_every_video(corpus: Corpus) -> None:
    def topmost(landmarks: np.ndarray) -> np.ndarray:
        return -landmarks[:, :, 1].min(axis=1).astype(np.float64)

    found = best_of_each(corpus.groups, topmost)
    assert len(found) == len(corpus.groups) == 3
    for frame, group in zip(found, corpus.groups, strict=True):
        with ShardReader(group.video.shard) as shard:
            highest = shard.landmarks(group.target_rows)[:, :, 1].min(axis=1)
        assert frame.group.target_rows == (group.target_rows[int(highest.argmin())],)
        assert frame.score == pytest.approx(-highest.min())
    widest = widest_mouths(corpus.groups)
    assert all(len(frame.group.target_rows) == 1 for frame in widest)
    with ShardReader(corpus.groups[0].video.shard) as shard:
        points = shard.landmarks(corpus.groups[0].target_rows)
    assert widest[0].score == pytest.approx(np.linalg.norm(points[:, 51] - points[:, 57], axis=1).max())


def test_frames_are_of_different_speakers_then_videos_then_times(corpus: Corpus) -> None:
    def of(group: Group, place: int, score: float) -> Scored:
        return Scored(replace(group, target_rows=(group.target_rows[place],)), score)

    a, b, other = corpus.groups  # two videos of 08F, one of 09F
    frames = [of(a, 0, 9), of(a, 1, 8), of(b, 0, 7), of(b, 1, 6), of(other, 0, 1)]
    scores = [[frame.score for frame in apart(frames, count)] for count in (1, 2, 3, 4, 9)]
    assert scores == [[9], [9, 1], [9, 7, 1], [9, 8, 7, 1], [9, 8, 7, 6, 1]]


def test_decision_is_high_where_images_rule_shares_of_their_own() -> None:
    inside = torch.ones(1, 4, 10)
    mixed = torch.full((1, 5, 1, 4, 10), 0.2)
    one = torch.zeros(1, 5, 1, 4, 10)
    one[:, 2] = 1
    shared = torch.zeros(1, 5, 1, 4, 10)
    for image in range(5):
        shared[:, image, :, :, 2 * image : 2 * image + 2] = 1
    assert float(mask_decision(mixed, inside)) == pytest.approx(0, abs=1e-6)
    assert float(mask_decision(one, inside)) == pytest.approx(0, abs=1e-6)
    assert float(mask_decision(shared, inside)) == pytest.approx(math.log(5))
    inside[:, :, 4:] = 0  # two images are left
    assert float(mask_decision(shared, inside)) == pytest.approx(math.log(2))
    assert float(mask_decision(shared, torch.zeros(1, 4, 10))) == 0


def test_the_network_is_looked_at_on_frames_spread_over_the_split(corpus: Corpus) -> None:
    everything = look_at(corpus, 99)
    assert len(everything) == 16
    few = look_at(corpus, 4)
    assert len(few) == 4
    assert len({frame.group.video.id for frame in few}) == 3
    for frame in few:
        batch, out = corpus.run(corpus.network, [frame.group])
        errors = 127.5 * (out.output - batch.target).abs().mean(1)
        mask = region_mask(batch.target_landmarks[:, MOUTH], Size(32, 48)).bool()
        assert frame.mouth_l1 == pytest.approx(float(errors[mask].mean()), rel=1e-4)
        (same,) = [
            other
            for other in everything
            if other.group.target_rows == frame.group.target_rows and other.group.video.id == frame.group.video.id
        ]
        # Run in another batch, and so rounded otherwise.
        assert (same.mouth_l1, same.decision) == pytest.approx((frame.mouth_l1, frame.decision), rel=1e-4, abs=1e-5)
