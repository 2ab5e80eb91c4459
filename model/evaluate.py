"""`python -m model.evaluate --shards out/ --checkpoint …`: figures of trained networks on the test split."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from model.config import Size
from model.device import choose_device
from model.evaluation.answers import Answerer, NetworkAnswers, ReadyAnswers
from model.evaluation.protocol import evaluate
from model.evaluation.questions import write_questions
from model.evaluation.results import write_results
from model.evaluation.selection import MeasureOptions, choose_measures
from model.evaluation.tables import verdict
from model.evaluation.temporal import STILL
from model.trained import add_inference_flags, add_source_flag, inference_settings, load_all
from pipeline.cli import Parser, run
from pipeline.errors import InputError
from pipeline.shards import open_dataset

PROGRAM = "python -m model.evaluate"
ALWAYS = (
    "L1 (of the picture, inside the hull of the landmarks, and in the boxes about mouth and eyes), PSNR and SSIM are "
    "always measured, and of consecutive frames two figures of temporal consistency: motion error, the mean difference "
    "of the change from frame to frame from the truth's, and flicker, the mean change where the truth is still (where "
    f"no colour changes by {STILL:g} of 255 or more)."
)


def build_parser(prog: str = PROGRAM) -> Parser:
    """The command's flags."""
    parser = Parser(
        prog=prog,
        description="Measure trained networks on the test split, beside the trivial answers: a bank image copied, that "
        "of nearest mouth openness or of nearest landmarks. L1, motion error and flicker are in 0-255 units.",
    )
    add = parser.add_argument
    add("--shards", type=Path, required=True, help="the dataset's folder (it holds dataset.json)")
    add("--checkpoint", type=Path, help="a .pt file, or a run folder: its newest checkpoint")
    add("--compare", type=Path, nargs="+", default=[], metavar="CHECKPOINT", help="others, for the same table")
    add("--answers", nargs="+", default=[], metavar="NAME=FOLDER",
        help="ready pictures of other systems, for the same table: one PNG a test frame, named "
        "<video's id>/<frame, six digits>.png as --write-questions names them")  # fmt: skip
    add("--write-questions", type=Path, metavar="FOLDER",
        help="write what such a system needs: banks, landmarks and driving frames")  # fmt: skip
    add("--out", type=Path, help="folder for the results (default: evaluation/ beside the run's checkpoints/)")
    add("--split", help="default: test, else val")
    add("--stride", type=int, default=1, help="take every how many-th frame of a video (default 1: all)")
    add("--batch-size", type=int, default=16, help="frames at once (default 16)")
    add_inference_flags(add)
    add_source_flag(add)
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if there is one")
    add("--workers", type=int, default=1, help="loader processes (default 1)")
    add_measures(parser)
    return parser


def add_measures(parser: argparse.ArgumentParser) -> None:
    """The flags that say what is measured; `measure_options` reads them."""
    figures = parser.add_argument_group("figures", ALWAYS)
    add = figures.add_argument
    either = argparse.BooleanOptionalAction
    add("--fid", action=either, help="default: if Inception's weights are at hand; --fid fetches them")
    add("--lpips", action=either, help="default: if VGG16's and LPIPS's weights are at hand; --lpips fetches VGG16's")
    add("--landmark-error", action="store_true", help="find landmarks on every answer and compare (slow)")
    add("--inception-weights", type=Path, metavar="FILE",
        help="inception-2015-12-05.pt (default: looked for in $TORCH_HOME/hub/checkpoints)")  # fmt: skip
    add("--vgg-weights", type=Path, metavar="FILE",
        help="vgg16-397923af.pth, for LPIPS (default: looked for in $TORCH_HOME/hub/checkpoints)")  # fmt: skip
    add("--lpips-weights", type=Path, metavar="FILE",
        help="weights/v0.1/vgg.pth of the package lpips (default: looked for in the package)")  # fmt: skip
    add("--landmark-model", type=Path, metavar="FILE", help="dlib's 68-point model (default: the installed one)")


def measure_options(args: argparse.Namespace) -> MeasureOptions:
    """The figures that the flags of `add_measures` ask for."""
    return MeasureOptions(
        fid=args.fid,
        lpips=args.lpips,
        landmark_error=args.landmark_error,
        inception_weights=args.inception_weights,
        vgg_weights=args.vgg_weights,
        lpips_weights=args.lpips_weights,
        landmark_model=args.landmark_model,
    )


def main(argv: Sequence[str] | None = None, prog: str = PROGRAM) -> int:
    """The command; returns its exit status."""
    return run(build_parser(prog), _evaluate, argv)


def _evaluate(args: argparse.Namespace) -> int:
    if args.batch_size < 1:
        raise InputError(f"--batch-size must be at least 1, got {args.batch_size}")
    inference = inference_settings(args)
    device = choose_device(args.device)
    dataset = open_dataset(args.shards)
    # Everybody who is measured, by name; ready pictures are compared at the first network's size.
    checkpoints = [path for path in (args.checkpoint, *args.compare) if path is not None]
    trained = load_all(checkpoints, device)
    asked: dict[str, Answerer] = {
        name: NetworkAnswers(network.generator, inference) for name, network in trained.items()
    }
    size = next(iter(asked.values())).size if asked else inference.size or Size(dataset.frame_size, dataset.frame_size)
    asked |= _ready_answers(args.answers, size, taken=set(asked))
    if args.write_questions is not None:
        count = write_questions(args.write_questions, dataset, args.split, args.stride, size)
        print(f"{args.write_questions}: the questions of {count} test frames are here, see questions.json")
    if not asked:
        if args.write_questions is None:
            raise InputError("name somebody to be measured: --checkpoint or --answers, or give --write-questions")
        return 0
    # Before anything is measured: a figure that is demanded and cannot be had is an error now.
    measures = choose_measures(measure_options(args), device)
    found = {
        name: evaluate(
            answerer,
            dataset,
            metrics=measures.make(),
            split=args.split,
            stride=args.stride,
            batch_size=args.batch_size,
            workers=args.workers,
            progress=True,
        )
        for name, answerer in asked.items()
    }
    # Beside the first network's run, unless the user says where.
    run_folder = next((network.checkpoint.parent.parent for network in trained.values()), Path())
    folder = args.out or run_folder / "evaluation"
    left_out = [*measures.left_out, *_resized(asked)]
    print(write_results(folder, asked, trained, found, left_out, dataset), end="")
    evaluation = next(iter(found.values()))
    print(f"{folder}: {evaluation.split}.json, .md and .png are here")
    print(verdict(evaluation))
    return 0


def _ready_answers(words: Sequence[str], size: Size, taken: set[str]) -> dict[str, Answerer]:
    """Those of `--answers`.

    Raises:
        InputError: no name, one that is taken, or no such folder.
    """
    found: dict[str, Answerer] = {}
    for word in words:
        name, sign, folder = word.partition("=")
        if not (name and sign):
            raise InputError(f"--answers must be NAME=FOLDER, got {word!r}")
        if name in taken or name in found:
            raise InputError(f"--answers: the name {name!r} is taken; choose another")
        if not Path(folder).is_dir():
            raise InputError(f"{folder}: no such folder of answers; --write-questions says what belongs there")
        found[name] = ReadyAnswers(Path(folder), size)
    return found


def _resized(asked: Mapping[str, Answerer]) -> list[str]:
    """Which answers were of another size than what they are compared with, a line each."""
    return [
        f"Pictures of {name} were brought to {answerer.size} from {', '.join(map(str, sorted(answerer.resized)))}"
        for name, answerer in asked.items()
        if isinstance(answerer, ReadyAnswers) and answerer.resized
    ]


if __name__ == "__main__":
    sys.exit(main())
