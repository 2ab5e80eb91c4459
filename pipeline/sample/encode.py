"""One drawn clip to an H.264 file with sound, through ffmpeg."""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path

import ffmpeg
import numpy as np
import numpy.typing as npt

from pipeline.errors import BuildError
from pipeline.ffmpeg_program import ffmpeg_path
from pipeline.sample.voice import write_wav

TIME_LIMIT_SECONDS = 600.0
NOTICE = "Synthetic drawing of a person who does not exist, made by python -m pipeline.sample"


def encode(
    path: Path,
    frames: Iterable[npt.NDArray[np.uint8]],
    size: tuple[int, int],
    fps: float,
    samples: npt.NDArray[np.int16],
) -> None:
    """Write frames (H, W, 3) uint8 RGB and mono samples as H.264 (BT.709, 4:2:0) and AAC; same input, same bytes.

    Raises:
        BuildError: ffmpeg failed, or took longer than `TIME_LIMIT_SECONDS`.
    """
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile() as log:
        sound = Path(scratch) / "voice.wav"
        write_wav(sound, samples)
        process = subprocess.Popen(
            _command(path, sound, size, fps), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log
        )
        guard = threading.Timer(TIME_LIMIT_SECONDS, process.kill)
        guard.start()
        try:
            if process.stdin is not None:
                with process.stdin as pipe:
                    for frame in frames:
                        pipe.write(np.ascontiguousarray(frame).data)
            process.wait()
        except BrokenPipeError:
            process.wait()  # ffmpeg gave up; its own words follow
        finally:
            guard.cancel()
            process.kill()
            process.wait()
        if process.returncode != 0:
            log.seek(0)
            words = log.read().decode(errors="replace").strip().splitlines() or ["no message"]
            raise BuildError(f"{path}: ffmpeg failed with status {process.returncode}: {words[-1]}")


def _command(path: Path, sound: Path, size: tuple[int, int], fps: float) -> list[str]:
    pictures = ffmpeg.input("pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{size[0]}x{size[1]}", framerate=fps)
    tagged = pictures.filter("scale", out_color_matrix="bt709", out_range="tv")
    output = ffmpeg.output(
        tagged,
        ffmpeg.input(str(sound)),
        str(path),
        format="mp4",
        vcodec="libx264",
        preset="veryfast",
        crf=17,
        pix_fmt="yuv420p",
        threads=1,  # the bytes must not depend on the machine
        acodec="aac",
        audio_bitrate="64k",
        movflags="+faststart",
        colorspace="bt709",
        color_primaries="bt709",
        color_trc="bt709",
        color_range="tv",
        **{"metadata": f"comment={NOTICE}"},
    )
    quiet = output.global_args("-nostdin", "-loglevel", "error").overwrite_output()
    command: list[str] = ffmpeg.compile(quiet, cmd=ffmpeg_path())
    return command
