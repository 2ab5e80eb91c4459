"""Hostile corpora: files that are no videos, playlists, lists of clips and of what to leave out."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.hostile.case import Case
from tests.hostile.world import World

VIDEOS: dict[str, tuple[str, Callable[[World], bytes]]] = {
    "a playlist": ("mp4", lambda world: f"#EXTM3U\n#EXTINF:1,\n{world.secret}\n#EXT-X-ENDLIST\n".encode()),
    "a list to concatenate": ("mp4", lambda world: f"ffconcat version 1.0\nfile {world.secret}\n".encode()),
    "a list with its own name": ("ffconcat", lambda world: f"ffconcat version 1.0\nfile {world.secret}\n".encode()),
    "DASH": ("mp4", lambda world: f"<MPD><BaseURL>file://{world.secret}</BaseURL></MPD>".encode()),
    "SDP": ("mp4", lambda _: b"v=0\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n"),
    "subtitles": ("avi", lambda world: f"1\n00:00:00,000 --> 00:00:10,000\n{world.secret}\n".encode()),
    "text": ("mp4", lambda _: b"hello\n" * 1000),
    "nothing": ("mkv", lambda _: b""),
    "zeros": ("mov", lambda _: bytes(1 << 20)),
    "a picture": ("mp4", lambda world: (world.pictures / "a.png").read_bytes()),
}
_GOOD = "train/Zoë/a b.mp4"
TABLES: dict[str, bytes] = {
    "empty": b"",
    "a header alone": b"path,speaker\n",
    "a path above": b"path,speaker\n../../foreign/secret.txt,a\n",
    "a path elsewhere": b"path,speaker\n/etc/passwd,a\n",
    "a formula": f"path,speaker\n{_GOOD},=cmd()\n".encode(),
    "times that are none": f"path,speaker,start,end\n{_GOOD},a,nan,inf\n".encode(),
    "times backwards": f"path,speaker,start,end\n{_GOOD},a,2,1\n".encode(),
    "a box of nothing": f"path,speaker,box\n{_GOOD},a,0 0 0 0\n".encode(),
    "a box that is enormous": f"path,speaker,box\n{_GOOD},a,0 0 1e300 1e300\n".encode(),
    "10^9 frames a second": f"path,speaker,fps\n{_GOOD},a,1e9\n".encode(),
    "a split that leads above": f"path,speaker,split\n{_GOOD},a,../../x\n".encode(),
    "a long cell": b"path,speaker\n" + b"a" * 1_000_000 + b",b\n",
    "an open quote": b'path,speaker\n"' + b"a,b\n" * 1000,
    "NULs": b"path,speaker\n\0,\0\n",
    "UTF-16": "path,speaker\na,b\n".encode("utf-16"),
    "a hundred thousand rows": b"path,speaker\n" + b"".join(b"%d.mp4,a\n" % n for n in range(100_000)),
}
LISTS: dict[str, bytes] = {
    "everything": f"{_GOOD}\ntest/bob/a b.mp4\n".encode(),
    "many frames": f"{_GOOD}#frame=0-99999999999\n".encode(),
    "frames backwards": f"{_GOOD}#frame=9-1\n".encode(),
    "a long line": b"a" * 10_000_000,
    "digits": f"{_GOOD}#frame={'9' * 5000}\n".encode(),
    "bytes": bytes(range(256)),
    "UTF-16": _GOOD.encode("utf-16"),
}
SPLITS: dict[str, str] = {"a long name": "a" * 250, "a formula": "=1", "a dot": ".hidden", "not UTF-8": "\udcff"}


def video(suffix: str, content: Callable[[World], bytes], world: World) -> None:
    (world.corpus / "train" / "Zoë" / f"hostile.{suffix}").write_bytes(content(world))


def written(name: str, content: bytes, world: World) -> None:
    (world.root / name).write_bytes(content)


def renamed(name: str, world: World) -> None:
    folder = world.corpus / "train" / "Zoë"
    folder.rename(Path(world.corpus, "train", name))


def of_corpora(_dice: random.Random) -> Iterator[Case]:
    """Each as a build meets it."""
    for name, (suffix, content) in VIDEOS.items():
        yield Case("corpora", f"a video: {name}", partial(video, suffix, content), ("build",))
    for name, table in TABLES.items():
        yield Case("corpora", f"a table: {name}", partial(written, "clips.csv", table), ("build_table",))
    for name, listed in LISTS.items():
        yield Case("corpora", f"to leave out: {name}", partial(written, "exclude.txt", listed), ("build_excluding",))
    for name, speaker in SPLITS.items():
        yield Case("corpora", f"a speaker: {name}", partial(renamed, speaker), ("build",))
