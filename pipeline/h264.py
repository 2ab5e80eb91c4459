"""Frames to an H.264 file of which every player knows what to make, through ffmpeg; same input, same bytes."""

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

TIME_LIMIT_SECONDS = 600.0
CRF = 17  # of which no difference is seen


def encode(
    path: Path,
    frames: Iterable[npt.NDArray[np.uint8]],
    size: tuple[int, int],
    fps: float,
    *,
    sound: Path | None = None,
    comment: str = "",
    seconds: float = TIME_LIMIT_SECONDS,
    crf: int = CRF,
) -> None:
    """Write frames (H, W, 3) uint8 RGB as H.264 (BT.709, 4:2:0) in MP4.

    Args:
        size: (W, H), both even.
        sound: a file whose sound goes beside them, as AAC; as long as the frames, the caller sees to that.
        comment: the file's metadata say it.
        seconds: what ffmpeg may take.
        crf: x264's constant rate factor: more is smaller, and worse.

    Raises:
        BuildError: ffmpeg failed, or took longer.
    """
    with tempfile.TemporaryFile() as log:
        command = _command(path, size, fps, sound, comment, crf)
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log)
        guard = threading.Timer(seconds, process.kill)
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


def _command(path: Path, size: tuple[int, int], fps: float, sound: Path | None, comment: str, crf: int) -> list[str]:
    # Twelve digits, so that ffmpeg finds 30000/1001 in 29.97002997003.
    pictures = ffmpeg.input(
        "pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{size[0]}x{size[1]}", framerate=f"{fps:.12g}"
    )
    streams = [pictures.filter("scale", out_color_matrix="bt709", out_range="tv")]
    audible: dict[str, str] = {}
    if sound is not None:
        streams.append(ffmpeg.input(f"file:{sound}"))
        audible = {"acodec": "aac", "audio_bitrate": "64k"}
    output = ffmpeg.output(
        *streams,
        f"file:{path}",
        format="mp4",
        vcodec="libx264",
        preset="veryfast",
        crf=crf,
        pix_fmt="yuv420p",
        threads=1,  # the bytes must not depend on the machine
        movflags="+faststart",
        colorspace="bt709",
        color_primaries="bt709",
        color_trc="bt709",
        color_range="tv",
        **audible,
        **({"metadata": f"comment={comment}"} if comment else {}),
    )
    quiet = output.global_args("-nostdin", "-loglevel", "error").overwrite_output()
    command: list[str] = ffmpeg.compile(quiet, cmd=ffmpeg_path())
    return command
