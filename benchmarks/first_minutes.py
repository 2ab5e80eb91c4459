"""A stranger's first ten minutes: the commands of the README, run without the clone, and every message as it comes.

    python benchmarks/first_minutes.py --program .venv/bin/flnet --to docs/first_minutes.md

Everything happens in an empty folder with an empty home, LANG=C and no terminal. The three clips of the stranger's own
are drawn, so that the page shows nobody. What is left out is listed as the page lists it; a test uses the page itself.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline import log
from pipeline.cli import run
from pipeline.corpora.exclude import line_for
from pipeline.errors import BuildError
from pipeline.ffmpeg_program import ffmpeg_path
from pipeline.sample import write_sample_corpus

HEAD = """\
# A stranger's first ten minutes

Written by `python benchmarks/first_minutes.py`: the commands as they were typed and all that they said, where the
program is installed from its wheel and there is no clone, in an empty folder, with `LANG=C` and no terminal ({python}).
Outputs of more than {most} lines are cut in their middle.
"""
MOST_LINES = 24  # of one command's output
INSTALL = """\
$ python3 -m venv .venv
$ .venv/bin/pip install flnet-0.1.0-py3-none-any.whl      # made by `pip wheel --no-deps .` in the clone
$ PATH=$PWD/.venv/bin:$PATH"""
PATIENCE_SECONDS = 1200.0
ROWS = 3  # of metrics.csv, after which a training is stopped


class Stranger:
    """Somebody in a folder, and what was typed there.

    Args:
        program: `flnet`, as it was installed.
        folder: empty.
    """

    def __init__(self, program: Path, folder: Path) -> None:
        self.folder = folder
        self.pages: list[str] = []
        self._block: list[str] = []
        bin_folder = program.absolute().parent
        home = folder / "home"
        home.mkdir()
        self._environment = {"PATH": f"{bin_folder}:/usr/bin:/bin", "HOME": str(home), "LANG": "C"}

    def tells(self, text: str) -> None:
        """A paragraph between commands."""
        self._end_block()
        self.pages.append(text)

    def types(self, line: str, status: int = 0, until: Callable[[], bool] | None = None) -> str:
        """Run a line of shell.

        Args:
            status: that it must end with.
            until: press Ctrl-C as soon as this holds.

        Returns:
            What it said.

        Raises:
            BuildError: it ended with another status, or not at all.
        """
        log.note(line)
        with tempfile.TemporaryFile() as said:
            child = subprocess.Popen(
                ["sh", "-c", f"exec {line}" if until else line],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
            if until is not None:
                _wait_for(lambda: until() or child.poll() is not None, line)
                child.send_signal(signal.SIGINT)
            ended = child.wait(PATIENCE_SECONDS)
            said.seek(0)
            text = said.read().decode(errors="backslashreplace").replace(str(self.folder), "~/first")
        shown = _cut(text.replace("\r", "\n").strip("\n").splitlines())
        self.shows([f"$ {line}", *shown, *([f"(Ctrl-C; status {ended})"] if until else [])])
        if ended != status:
            raise BuildError(f"{line}: ended with status {ended}, {status} was expected:\n{text}")
        return text

    def shows(self, lines: Sequence[str]) -> None:
        """What stands in the terminal."""
        self._block += [*lines, ""]

    def _end_block(self) -> None:
        if self._block:
            self.pages.append("```\n" + "\n".join(self._block).rstrip() + "\n```")
            self._block = []

    def page(self) -> str:
        """All of it, as Markdown."""
        self._end_block()
        return "\n\n".join(self.pages) + "\n"


def _wait_for(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > end:
            raise BuildError(f"{what}: took longer than {PATIENCE_SECONDS:g} s")
        time.sleep(0.2)


def _cut(lines: list[str]) -> list[str]:
    if len(lines) <= MOST_LINES:
        return lines
    half = MOST_LINES // 2
    return [*lines[:half], f"[... {len(lines) - 2 * half} lines]", *lines[-half:]]


def draw_clips(folder: Path) -> None:
    """The stranger's own: three clips, and a photo of somebody else."""
    with tempfile.TemporaryDirectory() as drawn:
        write_sample_corpus(Path(drawn), speakers=4, clips=1, seconds=2.0, seed=7, workers=2)
        clips = sorted(Path(drawn).glob("volunteers/*/Clips/straightcam/*.mp4"))
        (folder / "my_clips").mkdir()
        for name, clip in zip(("anna", "ben", "cleo"), clips, strict=False):
            shutil.copy(clip, folder / "my_clips" / f"{name}.mp4")
        command = [ffmpeg_path(), "-v", "error", "-i", str(clips[3]), "-frames:v", "1", str(folder / "photo.jpg")]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60)


def first_minutes(program: Path, folder: Path, steps: int) -> str:
    """Everything, as Markdown.

    Raises:
        BuildError: a command ended otherwise than it should.
    """
    you = Stranger(program, folder)
    metrics = folder / "runs" / "first" / "metrics.csv"

    def rows() -> int:
        return len(metrics.read_text().splitlines()) if metrics.is_file() else 0

    you.tells("## Install")
    you.shows(INSTALL.splitlines())
    you.types("flnet")
    you.types("flnet biuld", status=2)
    you.tells("## Three clips of your own")
    draw_clips(folder)
    you.types("ls my_clips")
    you.types("flnet build folder --corpus-root my_clips --out out")
    you.types("flnet check out")
    you.types("flnet report out --clips")
    you.tells(
        "On the page `cleo.mp4` is ticked, the list downloaded, and the page's command typed "
        "(`test_what_is_chosen_on_the_page_is_gone_after_the_build_that_it_names` does this in a browser):"
    )
    (folder / "exclude.txt").write_text(f"# left out after looking at the page\n{line_for('cleo.mp4')}\n")
    you.types("flnet build folder --config out/run.toml --out out --exclude exclude.txt")
    you.types("flnet report out")
    you.tells("## Train, stop, go on")
    you.types("flnet train --shards out --out runs/first --preset cpu", status=130, until=lambda: rows() > ROWS)
    before = rows()
    you.types("flnet train --resume runs/first", status=130, until=lambda: rows() > before + ROWS)
    you.tells("## A photo that talks")
    animate = "flnet animate --checkpoint runs/first --source photo.jpg"
    you.types(f"{animate} --driver my_clips/ben.mp4 --paste-back --out talks.mp4")
    you.types(f"{animate} --driver nobody.mp4 --out talks.mp4", status=1)
    if steps:
        you.tells(f"## All of it by itself\n\nWith {steps} steps in place of 2000, to see it run through.")
        you.types(f"flnet demo --steps {steps}")
    version = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    return f"{HEAD.format(python=version, most=MOST_LINES)}\n{you.page()}"


def _main(args: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(dir=args.folder, prefix="first-") as folder:
        text = first_minutes(args.program, Path(folder), args.steps)
    if args.to is None:
        print(text, end="")
    else:
        args.to.write_text(text, encoding="utf-8")
    return 0


def main() -> int:
    """Run it all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, required=True, help="flnet, in an environment that holds the wheel")
    parser.add_argument("--folder", type=Path, help="where the stranger's folder is made (default: the system's)")
    parser.add_argument("--steps", type=int, default=20, help="of the demo's training (%(default)s; 0: no demo)")
    parser.add_argument("--to", type=Path, help="file to write (default: print)")
    return run(parser, _main)


if __name__ == "__main__":
    sys.exit(main())
