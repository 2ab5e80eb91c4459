"""`python -m model.animate --checkpoint … --source … --driver … --out …`: a talking clip of the source's speaker."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from model.clip_writer import Sound, clip_writer, kept_parts
from model.config import ModelConfig
from model.crop_settings import find_settings
from model.distributed import choose_device
from model.driver import FITS, MISSING, Driver, Timeline, fit_landmarks, open_driver, plan_timeline
from model.generator import Generator, GeneratorOutput
from model.inference import Trained, load_trained
from model.offsets import offset_field
from model.pictures import to_pixels
from model.prepare import resize_area, resize_landmarks, to_network_range
from model.sampler import bank_choice
from model.source import Source, source_from_dataset, source_from_pictures, source_from_video
from model.tracked import Crop, crop_frames
from model.views import VIEWS, WATERMARK, View, Watermark
from pipeline.cli import run
from pipeline.crops import CENTRES
from pipeline.errors import InputError
from pipeline.landmark_model import landmark_model_path
from pipeline.settings import Settings
from pipeline.shards import FRAME_SIZE, open_dataset
from pipeline.shards.dataset import DATASET_FILE


@dataclass(frozen=True)
class Bank:
    """A source as the network takes it, on its device; S is the network's image size.

    Attributes:
        images: (1, N, 3, S, S) in [-1, 1].
        landmarks: (1, N, 68, 2) in pixels of these images.
    """

    images: Tensor
    landmarks: Tensor


def make_bank(source: Source, config: ModelConfig, device: torch.device) -> Bank:
    """The source's images that this network uses, at its size."""
    choice = list(bank_choice(config.bank_size))
    images = to_size(to_network_range(torch.from_numpy(source.images[choice]).to(device)), config.image_size)
    landmarks = torch.from_numpy(source.landmarks[choice]).to(device)
    return Bank(images[None], resize_landmarks(landmarks, FRAME_SIZE, config.image_size)[None])


def to_size(images: Tensor, size: int) -> Tensor:
    """Square images (B, 3, S, S) in [-1, 1] at another size: reduced as in training, enlarged smoothly."""
    if images.shape[-1] >= size:
        return resize_area(images, size)
    return F.interpolate(images, (size, size), mode="bicubic", align_corners=False).clamp(-1, 1)


@torch.inference_mode()
def animate(generator: Generator, bank: Bank, landmarks: Tensor, config: ModelConfig) -> GeneratorOutput:
    """The source's face with each of some landmarks.

    Args:
        generator: on the device of `bank`.
        landmarks: (B, 68, 2) in pixels of the network's images.
        config: the network's, with the image size and warp margin that are wanted.
    """
    count = len(landmarks)
    bank_landmarks = bank.landmarks.expand(count, -1, -1, -1)
    field = offset_field(landmarks.to(bank.images.device), bank_landmarks, config.image_size, config.margin_px)
    out: GeneratorOutput = generator(bank.images.expand(count, -1, -1, -1, -1), field, config.margin_px)
    return out


@dataclass
class Clip:
    """Everything that decides a result: iterate `batches` for its frames.

    Attributes:
        generator, config: the network, and its settings at the size that is wanted.
        source, driver: who is shown, and what moves them.
        timeline: which driver frame each frame comes from.
        landmarks: (n, 68, 2) the driver's, fitted to the source, in pixels of a 224-pixel crop.
    """

    generator: Generator
    config: ModelConfig
    source: Source
    driver: Driver
    timeline: Timeline
    landmarks: npt.NDArray[np.float32]

    def batches(self, size: int, crops: bool) -> Iterator[tuple[GeneratorOutput, Tensor, list[Crop] | None]]:
        """The result, some frames at a time; nothing but these frames is held in memory.

        Args:
            size: B, frames at once.
            crops: give the driver's crops as well, which decodes the driver once more.

        Yields:
            the network's output of B frames, their landmarks (B, 68, 2) in pixels of the network's images, and the
            driver's B crops where they are wanted and the driver is a video.
        """
        device = next(self.generator.parameters()).device
        bank = make_bank(self.source, self.config, device)
        faces = self.timeline.faces
        pictures = self._driver_crops() if crops and self.driver.transforms is not None else None
        for start in range(0, len(faces), size):
            points = torch.from_numpy(self.landmarks[faces[start : start + size]])
            points = resize_landmarks(points, FRAME_SIZE, self.config.image_size).to(device)
            batch = None if pictures is None else [next(pictures) for _ in range(len(points))]
            yield animate(self.generator, bank, points, self.config), points, batch

    def _driver_crops(self) -> Iterator[Crop]:
        assert self.driver.transforms is not None
        transforms = self.driver.transforms[self.timeline.faces]
        size = max(FRAME_SIZE, self.config.image_size)
        return crop_frames(self.driver.path, self.timeline.places.tolist(), transforms, size)


class Reconstruction:
    """The L1 of a result against its driver's own frames: the figure of `model.evaluate` when they are one speaker."""

    def __init__(self) -> None:
        self._sum, self._frames = 0.0, 0

    def update(self, out: GeneratorOutput, crops: Sequence[Crop]) -> None:
        """Take in the output of some frames and the driver's crops of them."""
        truth = to_network_range(torch.from_numpy(np.stack(crops)).to(out.output.device))
        error = (out.output - to_size(truth, out.output.shape[-1])).abs().mean((1, 2, 3))
        self._sum += float(error.double().sum()) * 127.5
        self._frames += len(crops)

    @property
    def l1(self) -> float:
        """Mean absolute difference in 0-255 units."""
        return self._sum / self._frames


def open_source(
    path: Path, speaker: str | None, video_id: str | None, settings: Settings, model: Path, size: int
) -> Source:
    """The source from whatever `path` is: a dataset's folder, a folder of pictures, or a video.

    Raises:
        FlnetError: it cannot be read, or shows no face.
    """
    if (path / DATASET_FILE).is_file():
        return source_from_dataset(open_dataset(path), speaker, video_id)
    if speaker is not None or video_id is not None:
        raise InputError(f"{path}: --speaker and --source-video are for a dataset, and there is no {DATASET_FILE} here")
    if path.is_dir():
        return source_from_pictures(path, settings, model, size, progress=True)
    return source_from_video(path, settings, model, size, progress=True)


def plan_clip(args: argparse.Namespace, trained: Trained) -> Clip:
    """Find both faces, and everything else that decides the result.

    Raises:
        FlnetError: a flag, file or face does not allow it.
    """
    config = trained.config.model
    config = replace(
        config,
        image_size=args.image_size or config.image_size,
        warp_margin_px=args.warp_margin or config.warp_margin_px,
    )
    dataset = open_dataset(args.source) if (args.source / DATASET_FILE).is_file() else None
    settings = find_settings(trained, dataset, args.crop_centre, args.face_fraction)
    model = landmark_model_path(args.landmark_model)
    size = max(FRAME_SIZE, config.image_size)
    source = open_source(args.source, args.speaker, args.source_video, settings, model, size)
    driver = open_driver(args.driver, settings, model, args.fps, args.fit, progress=True)
    landmarks = fit_landmarks(driver.landmarks, source.shape, args.fit)
    return Clip(trained.generator, config, source, driver, plan_timeline(driver, args.missing), landmarks)


def tags(trained: Trained, source: Source, driver: Driver) -> dict[str, str]:
    """The metadata that says what the clip is."""
    return {
        "title": f"Synthetic video: {source.name} driven by {driver.path.name}",
        "comment": "Synthetic: this face was generated by a neural network (FLNet); the person shown did not speak or "
        f"move like this. Source {source.name}, driver {driver.path.name}, checkpoint {trained.checkpoint.name} of "
        f"dataset {trained.dataset_digest[:12]}.",
        "genre": "synthetic",
    }


def write_clip(args: argparse.Namespace, trained: Trained, clip: Clip) -> str:
    """Make the clip and write it to `args.out`.

    Returns:
        What to tell the user.
    """
    sound_path = args.audio or (None if clip.driver.transforms is None else clip.driver.path)
    sound = None if sound_path is None else _sound(sound_path, clip, args.missing)
    used = make_bank(clip.source, clip.config, torch.device("cpu"))
    view = View(args.show, to_pixels(used.images[0]), clip.config.image_size, args.zoom)
    watermark = Watermark(args.watermark) if args.watermark else None
    reconstruction = Reconstruction() if args.measure else None
    total = len(clip.timeline.faces)
    begun = time.monotonic()
    with (
        clip_writer(args.out, clip.driver.fps, sound, tags(trained, clip.source, clip.driver)) as encoder,
        tqdm(total=total, desc="animating", unit=" frames") as bar,
    ):
        for out, points, crops in clip.batches(args.batch_size, args.measure or args.show != "output"):
            for picture in view.draw(out, points.cpu().numpy(), crops):
                encoder.write(watermark.stamp(picture) if watermark else picture)
            if reconstruction and crops:
                reconstruction.update(out, crops)
            bar.update(len(points))
    seconds = time.monotonic() - begun
    told = f"{args.out}: {total} frames at {clip.driver.fps:g} a second, made at {total / seconds:.1f} frames/s"
    if clip.timeline.faceless:
        told += f"; {clip.timeline.faceless} driver frames without a face: {args.missing}"
    if reconstruction:
        told += f"; L1 {reconstruction.l1:.3f} (0-255) against the driver's own frames"
    return told


def _sound(path: Path, clip: Clip, missing: str) -> Sound:
    """The sound beside the frames that are shown; a file named with --audio begins with the clip."""
    if not path.is_file():
        raise InputError(f"{path}: no such sound file; check --audio")
    start = float(clip.driver.pts_seconds[0])
    cut = missing == "skip" and clip.timeline.faceless
    parts = kept_parts(clip.timeline.times - start, clip.driver.fps) if cut else None
    return Sound(path, start if path == clip.driver.path else 0.0, parts)


def build_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(
        prog="python -m model.animate",
        description="Make a talking clip: the source's face moves and speaks as the driver does. The result's metadata "
        "says that it is synthetic.",
    )
    add = parser.add_argument
    add("--checkpoint", type=Path, required=True, help="a .pt file, or a run folder: its newest checkpoint")
    add("--source", type=Path, required=True, help="whose face: a video, a folder of pictures, or a dataset's folder")
    add("--driver", type=Path, required=True, help="a video, or a landmark file: .npz, .npy or .csv")
    add("--out", type=Path, required=True, help="the clip to write: .mp4, .mov or .mkv")
    add("--show", choices=VIEWS, default="output",
        help="the result, the result beside its driver, or both streams and all masks (default output)")  # fmt: skip
    add(
        "--watermark",
        nargs="?",
        const=WATERMARK,
        metavar="TEXT",
        help=f"write TEXT (default {WATERMARK}) into the picture",
    )
    add("--zoom", type=int, default=1, help="show pictures so many times larger (default 1)")

    source = parser.add_argument_group("source and driver")
    add = source.add_argument
    add("--speaker", help="of a dataset: whose bank")
    add("--source-video", metavar="ID", help="of a dataset: the bank of this video (default: the speaker's first)")
    add("--fit", choices=FITS, default="position-scale",
        help="fit the driver's landmarks to the source's face: by place and size (default), by the movements alone on "
        "the source's own features (shape), or not at all, for a driver who is the source (none)")  # fmt: skip
    add("--missing", choices=MISSING, default="hold",
        help="driver frames without a face: hold the last (default), skip them with their sound, or fail")  # fmt: skip
    add("--fps", type=float, help="frame rate of a landmark file (default: its own, else 25)")
    add("--audio", type=Path, help="other sound than the driver's")
    add("--crop-centre", choices=sorted(CENTRES), help="of the crops (default: as the network was trained)")
    add("--face-fraction", type=float, help="of the crop's width that the face takes (default: as in training)")
    add("--landmark-model", type=Path, help="dlib's shape_predictor_68_face_landmarks.dat (default: the installed one)")

    network = parser.add_argument_group("network")
    add = network.add_argument
    add("--image-size", type=int, metavar="PX", help="side of the images, a multiple of 16 (default: as in training)")
    add("--warp-margin", type=float, metavar="PX", help="another warp margin than the training's, at 224 pixels")
    add("--measure", action="store_true",
        help="print the L1 against the driver's frames; that of the reconstruction with --fit none")  # fmt: skip
    add("--batch-size", type=int, default=8, help="frames at once (default 8)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if there is one")
    return parser


def check_flags(args: argparse.Namespace) -> None:
    """Refuse what no file can mend.

    Raises:
        InputError: a flag out of its range.
    """
    for name, value, low in (("batch-size", args.batch_size, 1), ("zoom", args.zoom, 1)):
        if value < low:
            raise InputError(f"--{name} must be at least {low}, got {value}")
    for name, number in (("fps", args.fps), ("warp-margin", args.warp_margin)):
        if number is not None and not 0 < number < 1000:
            raise InputError(f"--{name} must be above 0 and below 1000, got {number:g}")
    for path in (args.source, args.driver):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    return run(build_parser(), _animate, argv)


def _animate(args: argparse.Namespace) -> int:
    check_flags(args)
    trained = load_trained(args.checkpoint, choose_device(args.device))
    clip = plan_clip(args, trained)
    if args.measure and clip.driver.transforms is None:
        raise InputError(f"{args.driver}: --measure needs a driver video, a landmark file has no frames")
    print(write_clip(args, trained, clip))
    return 0


if __name__ == "__main__":
    sys.exit(main())
