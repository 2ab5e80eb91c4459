"""Which frames a batch is made of: a pure function of the seed and the batch's number (the paper's protocol)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError, InputError
from pipeline.shards import Video

# In the corpora of single speakers under constant conditions the bank comes from another video (the paper,
# TCD-TIMIT); elsewhere two videos of a "speaker" need not show the same scene, so it is the target's own video.
OTHER_VIDEO_CORPORA = ("timit",)
# Sub-choices of the stored bank of five, closed to open: uniform with both ends; one alone is the most closed.
BANK_CHOICES = {1: (0,), 3: (0, 2, 4), 5: (0, 1, 2, 3, 4)}
# Separate random streams, so that the order of videos and the choice of frames do not share numbers.
_VIDEO_STREAM, _FRAME_STREAM = 0, 1


@dataclass(frozen=True)
class Group:
    """The targets that a batch takes from one video, and the bank they share.

    `target_rows` and `bank_rows` are rows of the two videos' shards (often the same shard).
    """

    video: Video
    target_rows: tuple[int, ...]
    bank_video: Video
    bank_rows: tuple[int, ...]


class BatchPlanner:
    """Plans batch number 0, 1, 2, ...: `batch_size` targets, `frames_per_video` from each of a few videos.

    Videos come first: every video is visited once, in a new random order each time round, whatever its
    length. Nothing depends on what was asked before, so resuming, prefetching and the number of loader
    processes cannot change a batch.

    Args:
        videos: those of one split.
        corpus: the dataset's `corpus`, which decides where banks come from.
        bank_size: 1, 3 or 5.
        seed: not negative.

    Raises:
        DatasetError: no video has a frame to train on.
        InputError: a number out of its range.
    """

    def __init__(
        self,
        videos: Sequence[Video],
        corpus: str,
        *,
        batch_size: int,
        frames_per_video: int,
        bank_size: int,
        seed: int,
    ) -> None:
        if seed < 0:
            raise InputError(f"seed must be 0 or more, got {seed}")
        if batch_size < 1 or batch_size % frames_per_video:
            raise InputError(f"batch size must be a multiple of {frames_per_video}, got {batch_size}")
        self.bank_choice = bank_choice(bank_size)
        self.frames_per_video = frames_per_video
        self.groups_per_batch = batch_size // frames_per_video  # videos in a batch: the paper's 4
        self.seed = seed
        self.partners = bank_partners(videos, corpus)
        self.videos = [video for video in videos if len(self._candidates(video))]
        if not self.videos:
            raise DatasetError(f"no video of {len(videos)} has a frame to train on outside its own bank")

    def plan(self, index: int) -> list[Group]:
        """The groups of batch `index`; their targets number `batch_size` in all."""
        return [self._group(index, slot) for slot in range(self.groups_per_batch)]

    def _group(self, index: int, slot: int) -> Group:
        turn, place = divmod(index * self.groups_per_batch + slot, len(self.videos))
        video = self.videos[_video_order(self.seed, turn, len(self.videos))[place]]
        rng = np.random.default_rng((self.seed, _FRAME_STREAM, index, slot))
        candidates = self._candidates(video)
        # A video with fewer frames than that gives some of them twice.
        rows = rng.choice(candidates, size=self.frames_per_video, replace=len(candidates) < self.frames_per_video)
        partners = self.partners[video.id]
        bank_video = partners[int(rng.integers(len(partners)))] if partners else video
        bank_rows = tuple(int(bank_video.bank[place]) for place in self.bank_choice)
        return Group(video, tuple(int(row) for row in rows), bank_video, bank_rows)

    def _candidates(self, video: Video) -> NDArray[np.int64]:
        """The video's rows that can be targets: all, or those outside its own bank where that is the bank."""
        rows = np.arange(video.first_row, video.first_row + video.row_count, dtype=np.int64)
        return rows if self.partners[video.id] else np.setdiff1d(rows, np.asarray(video.bank))


def bank_choice(bank_size: int) -> tuple[int, ...]:
    """Places in the stored bank of five that a bank of `bank_size` uses.

    Raises:
        InputError: not 1, 3 or 5.
    """
    if bank_size not in BANK_CHOICES:
        raise InputError(f"bank size must be one of {sorted(BANK_CHOICES)}, got {bank_size}")
    return BANK_CHOICES[bank_size]


def bank_partners(videos: Sequence[Video], corpus: str) -> dict[str, list[Video]]:
    """For every video id, the videos its bank may come from, in id order; empty: only the video itself."""
    by_speaker: dict[str, list[Video]] = {}
    for video in sorted(videos, key=lambda video: video.id):
        by_speaker.setdefault(video.speaker, []).append(video)
    partners: dict[str, list[Video]] = {}
    for video in videos:
        same_speaker = by_speaker[video.speaker] if corpus in OTHER_VIDEO_CORPORA else []
        partners[video.id] = [other for other in same_speaker if other.id != video.id]
    return partners


def slice_groups(groups: Sequence[Group], start: int, stop: int) -> list[Group]:
    """The part of a batch that holds targets `start` to `stop` (exclusive): one process's share of it."""
    part = []
    offset = 0
    for group in groups:
        rows = group.target_rows[max(start - offset, 0) : max(stop - offset, 0)]
        if rows:
            part.append(Group(group.video, rows, group.bank_video, group.bank_rows))
        offset += len(group.target_rows)
    return part


@lru_cache(maxsize=4)
def _video_order(seed: int, turn: int, count: int) -> tuple[int, ...]:
    order = np.random.default_rng((seed, _VIDEO_STREAM, turn)).permutation(count)
    return tuple(int(place) for place in order)
