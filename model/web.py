"""A page to try a network on: drop a source and a driver, see result, masks and bank (`flnet demo --serve`).

Gradio, the optional extra [web], serves it; it asks no other machine for anything.
"""

from __future__ import annotations

import argparse
import os
import socket
import tempfile
import threading
import uuid
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from model import animate
from model.animation.source import shortage
from model.data.sampler import bank_choice
from model.device import choose_device
from model.trained import Trained, inference_settings, load_trained
from pipeline import log
from pipeline.child_process import CrashError, run_in_child
from pipeline.cli import one_line
from pipeline.clips import stated_length
from pipeline.content import PICTURE_SUFFIXES
from pipeline.errors import FlnetError, InputError

MOST_MEGABYTES = 64  # of a file
MOST_SECONDS, MOST_FRAMES = 20.0, 1200  # of a video
HEIGHT = 420  # of the result on the page
WAITING = 8  # visitors, while another one's clip is made
TITLE = "FLNet: make a face talk"
WARNING = (
    "**Everything that this page makes is synthetic**: a neural network draws it, and the person shown never spoke or "
    "moved like this. Use only faces of people who have agreed, and say that the result is synthetic wherever you "
    f"show it. At most {MOST_MEGABYTES} MB and {MOST_SECONDS:g} seconds a file."
)
_TEXT_FONTS, _CODE_FONTS = ["system-ui", "sans-serif"], ["ui-monospace", "monospace"]  # none has to be fetched


class Made(NamedTuple):
    """What is shown.

    Attributes:
        result, masks: videos.
        bank: (H, W, 3) uint8 each, the most closed mouth first.
        told: in a few words.
    """

    result: Path
    masks: Path
    bank: list[npt.NDArray[np.uint8]]
    told: str


def make(trained: Trained, source: Path, driver: Path, folder: Path, paste_back: bool = False) -> Made:
    """The source's face with the driver's movements, each clip marked as synthetic.

    Args:
        source: a video or a picture.
        driver: a video.
        folder: for the clips.
        paste_back: put the result into the source's full picture.

    Raises:
        FlnetError: a file is too long, cannot be decoded, or shows no face.
    """
    for path in (source, driver):
        check_length(path)
    result, masks = (folder / f"{uuid.uuid4().hex}-{name}.mp4" for name in ("result", "masks"))
    args = _arguments(trained, source, driver, result, "output", paste_back)
    inference = inference_settings(args)
    clip = animate.plan_clip(args, trained, inference)
    sound = animate.find_sound(args, clip.driver)
    told = animate.write_clip(args, trained, clip, sound).partition(": ")[2]
    animate.write_clip(_arguments(trained, source, driver, masks, "masks", False), trained, clip, sound)
    size = trained.flnet.config.bank_size
    bank = list(clip.source.images[list(bank_choice(size))])
    return Made(result, masks, bank, "; ".join(filter(None, [told, shortage(clip.source, size)])))


def check_length(path: Path) -> None:
    """Refuse a video of which nobody could wait for the end.

    Raises:
        InputError: it is too long, or does not say how long it is.
    """
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return
    try:
        stated = run_in_child(stated_length, path)
    except CrashError as error:
        raise InputError(f"{path.name}: cannot be decoded ({error}); use another video") from error
    if stated is None:
        raise InputError(f"{path.name}: does not say how long it is; save it anew, as .mp4")
    seconds, frames = stated
    if seconds > MOST_SECONDS or frames > MOST_FRAMES:
        raise InputError(
            f"{path.name}: must have at most {MOST_SECONDS:g} s and {MOST_FRAMES} frames for this page, got "
            f"{seconds:.0f} s and {frames:.0f}; cut it, or use flnet animate"
        )


def _arguments(
    trained: Trained, source: Path, driver: Path, out: Path, show: str, paste_back: bool
) -> argparse.Namespace:
    """As `flnet animate` would have them."""
    words = ["--checkpoint", trained.checkpoint, "--source", source, "--driver", driver, "--out", out, "--show", show]
    flags = ["--watermark", *(["--paste-back"] if paste_back else [])]
    args: argparse.Namespace = animate.build_parser().parse_args([*map(str, words), *flags])
    animate.check_flags(args)
    return args


def make_page(trained: Trained, folder: Path, examples: Sequence[tuple[Path, Path]] = ()) -> Any:
    """The page, as Gradio's `Blocks`.

    Args:
        folder: for what is made; not kept clean here.
        examples: pairs of a source and a driver to begin with.
    """
    gradio = import_gradio()

    def shown(source: str | None, driver: str | None, paste_back: bool) -> tuple[str, str, list[Any], str]:
        if not source or not driver:
            raise gradio.Error("A source and a driver are both wanted.")
        try:
            made = make(trained, Path(source), Path(driver), folder, paste_back)
        except FlnetError as error:
            raise gradio.Error(one_line(error).replace(f"{folder}/", "")) from error
        return str(made.result), str(made.masks), made.bank, made.told

    config = trained.flnet.config
    facts = f"{trained.checkpoint.name}, step {trained.step}, {config.image_size} pixels, bank of {config.bank_size}"
    videos = [".mp4", ".mov", ".mkv", ".webm", ".avi"]
    with gradio.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        gradio.Markdown(f"# {TITLE}\n\n{WARNING}\n\nThe network: {facts}.")
        with gradio.Row():
            kinds = [*videos, *sorted(PICTURE_SUFFIXES)]
            source = gradio.File(label="Source: whose face (a video or a picture)", file_types=kinds)
            driver = gradio.File(label="Driver: who speaks (a video)", file_types=videos)
        if examples:
            gradio.Examples([[str(one), str(other)] for one, other in examples], [source, driver])
        paste_back = gradio.Checkbox(label="Put the result into the source's full picture")
        button = gradio.Button("Make it talk", variant="primary")
        told = gradio.Textbox(label="What was made", interactive=False)
        result = gradio.Video(label="Result (synthetic)", autoplay=True, height=HEIGHT)
        gradio.Markdown("Masks (synthetic): bank, selection and merge masks, warped and appearance image")
        masks = gradio.Video(label="Masks", show_label=False)
        bank = gradio.Gallery(label="Bank: what the network fetches from", columns=5, height="auto")
        button.click(shown, [source, driver, paste_back], [result, masks, bank, told], api_name="animate")
    return page.queue(max_size=WAITING, default_concurrency_limit=1)


def import_gradio() -> Any:
    """Gradio, told to keep to this machine.

    Raises:
        InputError: it is not installed.
    """
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")
    try:
        import gradio
    except ImportError as error:
        raise InputError(f"--serve needs Gradio ({error}): pip install 'flnet[web]'") from error
    return gradio


def open_page(page: Any, host: str, port: int) -> str:
    """Serve a page in the background; returns its address.

    Raises:
        InputError: the port is taken, or the address is none of this machine's.
    """
    gradio = import_gradio()
    port = _free_port(host, port)
    page.launch(
        server_name=host,
        server_port=port,
        share=False,
        quiet=True,
        prevent_thread_lock=True,
        ssr_mode=False,
        max_file_size=MOST_MEGABYTES << 20,
        footer_links=[],
        theme=gradio.themes.Default(font=_TEXT_FONTS, font_mono=_CODE_FONTS),
    )
    return f"http://{host}:{port}/"


def _free_port(host: str, port: int) -> int:
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return int(probe.getsockname()[1])
    except (OSError, OverflowError) as error:
        raise InputError(
            f"--host {host} --port {port}: cannot be served at ({error}); name another port, 0 for any that is free"
        ) from error


def serve(checkpoint: Path, host: str, port: int, device: str, examples: Sequence[tuple[Path, Path]] = ()) -> None:
    """Serve the page until Ctrl-C.

    Raises:
        FlnetError: no network, no Gradio, or no such address.
    """
    import_gradio()
    trained = load_trained(checkpoint, choose_device(device))
    _ = trained.flnet  # the one whose masks there are
    with tempfile.TemporaryDirectory(prefix="flnet-page-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # what is dropped and made is gone with the page
        page = make_page(trained, Path(folder), examples)
        address = open_page(page, host, port)
        if not _is_loopback(host):
            log.warn(f"--host {host}: whoever reaches this machine can use the page, without a password")
        print(f"{address} is open to try {trained.checkpoint} on; Ctrl-C ends it", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("closed")
        finally:
            page.close(verbose=False)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
