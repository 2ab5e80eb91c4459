"""Which frames a batch is made of: a pure function of the seed and the batch's number (the paper's protocol)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from model.config import BANK_SIZES
from model.data.augment import draw_variation
from pipeline.errors import DatasetError, InputError
from pipeline.shards import Video
from pipeline.shards.dataset import BANKS_FROM

# Separate random streams, so that the order of videos and the choice of frames do not share numbers.
_VIDEO_STREAM, _FRAME_STREAM, _VARIATION_STREAM = 0, 1, 2


@dataclass(frozen=True)
class Group:
    """The targets that a batch takes from one video, and the bank they share.

    `target_rows` and `bank_rows` are rows of the two videos' shards (often the same shard); `variation` is what
    `model.data.augment` draws, or nothing.
    """

    video: Video
    target_rows: tuple[int, ...]
    bank_video: Video
    bank_rows: tuple[int, ...]
    variation: tuple[float, ...] = ()


class BatchPlanner:
    """Plans batch number 0, 1, 2, ...: `batch_size` targets, `frames_per_video` from each of a few videos.

    Videos come first: every video is visited once, in a new random order each time round, whatever its
    length. Nothing depends on what was asked before, so resuming, prefetching and the number of loader
    processes cannot change a batch.

    Args:
        videos: those of one split.
        bank_from: the dataset's `bank_from`, one of `BANKS_FROM`.
        batch_size: targets of the whole batch, a multiple of `frames_per_video`.
        bank_size: 1, 3 or 5.
        seed: not negative.
        augment: draw a variation for every group.
        rank, world_size: `plan` gives the rank-th of `world_size` equal parts of every batch.

    Raises:
        DatasetError: no video has a frame to train on.
        InputError: a number out of its range.
    """

    def __init__(
        self,
        videos: Sequence[Video],
        bank_from: str,
        *,
        batch_size: int,
        frames_per_video: int,
        bank_size: int,
        seed: int,
        augment: bool = False,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if seed < 0:
            raise InputError(f"seed must be 0 or more, got {seed}")
        if batch_size < 1 or batch_size % frames_per_video:
            raise InputError(f"batch size must be a multiple of {frames_per_video}, got {batch_size}")
        if batch_size % world_size:
            raise InputError(f"batch size must be a multiple of the {world_size} processes, got {batch_size}")
        share = batch_size // world_size
        self.part = (rank * share, (rank + 1) * share)
        self.bank_choice = bank_choice(bank_size)
        self.frames_per_video = frames_per_video
        self.groups_per_batch = batch_size // frames_per_video  # videos in a batch: the paper's 4
        self.seed = seed
        self.augment = augment
        self.partners = bank_partners(videos, bank_from)
        self.videos = [video for video in videos if len(target_candidates(video, self.partners))]
        if not self.videos:
            raise DatasetError(f"no video of {len(videos)} has a frame to train on outside its own bank")

    def plan(self, index: int) -> list[Group]:
        """This process's part of batch `index`; all parts together have `batch_size` targets."""
        videos = [self._target_video(index, slot) for slot in range(self.groups_per_batch)]
        groups = [self._group(index, slot, videos) for slot in range(self.groups_per_batch)]
        return slice_groups(groups, *self.part)

    def _target_video(self, index: int, slot: int) -> Video:
        turn, place = divmod(index * self.groups_per_batch + slot, len(self.videos))
        return self.videos[_video_order(self.seed, turn, len(self.videos))[place]]

    def _group(self, index: int, slot: int, target_videos: Sequence[Video]) -> Group:
        video = target_videos[slot]
        rng = np.random.default_rng((self.seed, _FRAME_STREAM, index, slot))
        candidates = target_candidates(video, self.partners)
        # A video with fewer frames than that gives some of them twice.
        rows = rng.choice(candidates, size=self.frames_per_video, replace=len(candidates) < self.frames_per_video)
        partners = self._bank_videos(video, target_videos)
        bank_video = partners[int(rng.integers(len(partners)))] if partners else video
        bank_rows = tuple(int(bank_video.bank[place]) for place in self.bank_choice)
        group = Group(video, tuple(int(row) for row in rows), bank_video, bank_rows)
        if not self.augment:
            return group
        rng = np.random.default_rng((self.seed, _VARIATION_STREAM, index, slot))
        return replace(group, variation=draw_variation(rng))

    def _bank_videos(self, video: Video, target_videos: Sequence[Video]) -> list[Video]:
        """Where the bank may come from: the person's videos that the batch takes no target from ("Network Inputs").

        Where the batch takes targets from all of them, any but the target's own.
        """
        targets = {target.id for target in target_videos}
        partners = self.partners[video.id]
        return [other for other in partners if other.id not in targets] or partners

    @property
    def crowded_speakers(self) -> int:
        """Speakers with so few videos that a batch can hold all of them, and a bank then is of a target's video."""
        counts = Counter(video.speaker for video in self.videos if self.partners[video.id])
        return sum(count <= self.groups_per_batch for count in counts.values())


def bank_choice(bank_size: int) -> tuple[int, ...]:
    """Places in the stored bank of five that a bank of `bank_size` uses: the first so many ("Ablation study").

    Raises:
        InputError: not 1, 3 or 5.
    """
    if bank_size not in BANK_SIZES:
        raise InputError(f"bank size must be one of {BANK_SIZES}, got {bank_size}")
    return tuple(range(bank_size))


def bank_partners(videos: Sequence[Video], bank_from: str) -> dict[str, list[Video]]:
    """For every video id, the videos its bank may come from, in id order; empty: only the video itself.

    Args:
        bank_from: `other` where a speaker's videos show them under constant conditions, so that the bank comes from
            another one (the paper, TCD-TIMIT); `own` where two videos of a speaker need not show the same scene. A
            speaker's only video has its own bank in any case.
    """
    if bank_from not in BANKS_FROM:
        raise ValueError(f"bank_from must be one of {', '.join(BANKS_FROM)}, got '{bank_from}'")
    by_speaker: dict[str, list[Video]] = {}
    for video in sorted(videos, key=lambda video: video.id):
        by_speaker.setdefault(video.speaker, []).append(video)
    partners: dict[str, list[Video]] = {}
    for video in videos:
        same_speaker = by_speaker[video.speaker] if bank_from == "other" else []
        partners[video.id] = [other for other in same_speaker if other.id != video.id]
    return partners


def target_candidates(video: Video, partners: Mapping[str, Sequence[Video]]) -> NDArray[np.int64]:
    """The video's rows that can be targets: all, or those outside its own bank where that is its bank."""
    rows = np.arange(video.first_row, video.first_row + video.row_count, dtype=np.int64)
    return rows if partners[video.id] else np.setdiff1d(rows, np.asarray(video.bank))


def fixed_groups(videos: Sequence[Video], bank_from: str, *, stride: int = 1) -> list[Group]:
    """The fixed protocol of evaluation: one group a video, every `stride`-th of its target frames in order.

    The bank of five comes from where training takes it; of several other videos, from the next one of the
    speaker in id order (after the last comes the first). Videos without a target frame are left out.

    Raises:
        InputError: `stride` below 1.
    """
    if stride < 1:
        raise InputError(f"stride must be at least 1, got {stride}")
    partners = bank_partners(videos, bank_from)
    groups = []
    for video in videos:
        rows = tuple(int(row) for row in target_candidates(video, partners)[::stride])
        later = [other for other in partners[video.id] if other.id > video.id]
        bank_video = (later or partners[video.id] or [video])[0]
        if rows:
            groups.append(Group(video, rows, bank_video, bank_video.bank))
    return groups


def slice_groups(groups: Sequence[Group], start: int, stop: int) -> list[Group]:
    """The part of a batch that holds targets `start` to `stop` (exclusive)."""
    part = []
    offset = 0
    for group in groups:
        rows = group.target_rows[max(start - offset, 0) : max(stop - offset, 0)]
        if rows:
            part.append(replace(group, target_rows=rows))
        offset += len(group.target_rows)
    return part


@lru_cache(maxsize=4)
def _video_order(seed: int, turn: int, count: int) -> tuple[int, ...]:
    order = np.random.default_rng((seed, _VIDEO_STREAM, turn)).permutation(count)
    return tuple(int(place) for place in order)
