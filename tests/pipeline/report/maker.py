"""Datasets of drawn videos for the tests of the report, made without a build."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.files import sha256_of
from pipeline.geometry import mouth_openness
from pipeline.manifest import ManifestRow, write_manifest
from pipeline.preparing.bank import choose_bank
from pipeline.preparing.k_map import k_codes, k_table
from pipeline.result import VideoResult
from pipeline.settings import Settings, digest_of
from pipeline.shards import FrameRow, VideoEntry, dataset_digest, merge_shards, write_shard

EVIL = "<script>window.pwned=1</script>/\"'><img src=x onerror=window.pwned=1>\n\u2028é&amp;.mp4"
NOT_UTF8 = b"caf\xe9.mp4".decode("utf-8", "surrogateescape")
FRAMES = 40


def face() -> npt.NDArray[np.float32]:
    """(68, 2): points in about the right places of a crop."""
    angle = np.linspace(0, np.pi, 17)
    jaw = np.stack([112 - 67 * np.cos(angle), 100 + 90 * np.sin(angle)], 1)
    brows = np.stack([np.r_[np.linspace(60, 100, 5), np.linspace(124, 164, 5)], np.full(10, 75)], 1)
    nose = np.r_[
        np.stack([np.full(4, 112), np.linspace(90, 120, 4)], 1),
        np.stack([np.linspace(102, 122, 5), np.full(5, 128)], 1),
    ]
    circle = np.linspace(np.pi, 3 * np.pi, 7)[:-1]
    eyes = np.concatenate([np.stack([x + 12 * np.cos(circle), 95 + 5 * np.sin(circle)], 1) for x in (80, 144)])
    lips = [
        np.stack([112 + x * np.cos(a), 155 + y * np.sin(a)], 1)
        for x, y, a in (
            (25, 10, np.linspace(np.pi, 3 * np.pi, 13)[:-1]),
            (18, 4, np.linspace(np.pi, 3 * np.pi, 9)[:-1]),
        )
    ]
    return np.concatenate([jaw, brows, nose, eyes, *lips]).astype(np.float32)


def talking(count: int, seed: int, amplitude: float = 8.0, noise: float = 0.2) -> npt.NDArray[np.float32]:
    """(count, 68, 2): the face with its lower lip moving, in source pixels that are crop pixels."""
    random = np.random.default_rng(seed)
    points = np.repeat(face()[None], count, 0) + random.normal(0, noise, (count, 68, 2))
    phases = random.uniform(0, 6, 3)
    waves = [np.sin(np.arange(count) / length + phase) for length, phase in zip((2.1, 3.7, 6.1), phases, strict=True)]
    points[:, 55:60, 1] += amplitude * (1 + np.mean(waves, 0))[:, None]
    return points.astype(np.float32)


def picture(points: npt.NDArray[np.float32], skin: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    frame = np.full((224, 224, 3), (40, 60, 90), np.uint8)
    cv2.fillConvexPoly(frame, np.rint(points[:17]).astype(np.int32), skin)
    cv2.ellipse(frame, (112, 100), (67, 60), 0, 180, 360, skin, -1)
    for part in (slice(36, 42), slice(42, 48), slice(48, 60)):
        cv2.fillPoly(frame, [np.rint(points[part]).astype(np.int32)], (50, 20, 20))
    return np.asarray(cv2.GaussianBlur(frame, (5, 5), 0), np.uint8)


SKINS = {"anna": (225, 180, 150), "bob": (120, 80, 60), "cy": (180, 200, 140)}


class Maker:
    """Makes datasets of drawn videos, one shard each."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.results: list[tuple[VideoResult, str | None]] = []
        self.shards: list[dict[str, Any]] = []

    def video(
        self, name: str, speaker: str = "anna", split: str = "train", points: Any = None, skin: Any = None, **row: Any
    ) -> None:
        number = len(self.results)
        points = talking(FRAMES, number) if points is None else points
        frame_index = row.pop("frame_index", np.arange(len(points)))
        openness = mouth_openness(points)
        bank = tuple(int(place) for place in choose_bank(openness))
        sha256 = row.setdefault("sha256", f"{number:064x}")
        entry = VideoEntry(name, speaker, sha256, 25.0, 0, len(points), bank)
        rows = (
            FrameRow(
                picture(p, skin or SKINS.get(speaker, (200, 150, 120))),
                p,
                k_codes(p, 224),
                float(o),
                int(i),
                int(i) / 25,
                np.array([[1, 0, 0], [0, 1, 0]], np.float32),
            )
            for p, o, i in zip(points, openness, frame_index, strict=True)
        )
        part = self.root / "part.h5"
        write_shard(part, entry, rows, k_table().levels, "lz4")
        relative = f"shards/{split}/{number:04d}.h5"
        (self.root / relative).parent.mkdir(parents=True, exist_ok=True)
        merge_shards(self.root / relative, [part])
        part.unlink()
        size = {"bytes": (self.root / relative).stat().st_size, "sha256": sha256_of(self.root / relative)}
        self.shards.append({"path": relative, "split": split, "videos": 1, "frames": len(points), **size})
        figures: dict[str, Any] = {"fps": 25.0, "width": 640, "height": 480, "face_width_px": 134.0, "scale": 1.0}
        result = VideoResult(
            name, speaker, split, frames_seen=len(points), frames_kept=len(points), **{**figures, **row}
        )
        self.results.append((result, relative))

    def failure(self, name: str, error: str, speaker: str = "anna", split: str = "train", **row: Any) -> None:
        self.results.append((VideoResult(name, speaker, split, "failed", error, **row), None))

    def finish(self) -> Path:
        write_manifest(self.root / "manifest.csv", [ManifestRow(r, self.root / "corpus", s) for r, s in self.results])
        arrived = [result for result, shard in self.results if shard]
        contents = {
            "schema": "flnet-dataset/1",
            "corpus": "timit",
            "digest": dataset_digest({s["path"]: s["sha256"] for s in self.shards}),
            "config": Settings().to_dict(),
            "config_digest": Settings().digest,
            "packages": {"python": "3.11.7", "numpy": "2.2.6"},
            "splits": {r.split: {"speakers": 1, "videos": 1, "frames": 1} for r in arrived},
            "shards": self.shards,
        }
        (self.root / "dataset.json").write_text(json.dumps(contents))
        return self.root


def track_file(root: Path, name: str) -> Path:
    return root / "work" / "tracks" / Settings().track_digest / f"{digest_of(name)}.npz"
