"""Pictures as they are shown: whole instead of fields, square pixels, upright, 4:2:0. Most are already."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple, TypeVar

import av
from av.filter import Graph

from pipeline.decode.frame import HDR, Decoded
from pipeline.decode.hardware import downloaded, is_on_device
from pipeline.decode.stream import MAX_PIXELS

T = TypeVar("T")
Attempt = Callable[[Callable[[], T]], "T | None"]
Size = tuple[int, int]  # width, height

PLANAR = ("yuv420p", "yuvj420p")  # formats taken as they are; others are converted to the first
DEEP_PLANAR = "yuv420p10le"  # the same where colours are yet to be brought to an ordinary screen
# Every frame as it is, but those flagged as interlaced, which come out whole: as many frames as go in.
DEINTERLACE = "bwdif=mode=send_frame:parity=auto:deint=interlaced"
# ffmpeg's own scaler, without the shortcuts that round differently on every kind of processor.
SCALER = "flags=bicubic+accurate_rnd+bitexact"
LONGEST_PIXEL = 4  # times as long as wide, or the other way round; what claims more is a mistake
SQUARE_ENOUGH = 0.01  # pixels that are not square by less come of rounding the picture's size
SAME_SHAPE = 0.01  # of a picture's height over width: a stream that changes its resolution, not what it shows


class _Kind(NamedTuple):
    """What decides the filters of a picture."""

    size: Size
    shape: Fraction
    turn: tuple[str, ...]
    interlaced: bool
    format: str
    colorspace: int
    color_range: int
    transfer: int


class Display:
    """Turns decoded pictures into those shown.

    A stream may change its resolution: pictures of the first one's shape are scaled to the first one's size, others
    keep their own.

    Args:
        pixel_shape: width over height of a pixel of the stream, asked for key pictures.
        attempt: calls ffmpeg; gives None and notes the complaint where it fails.
        note: told in a sentence what was changed.
        warn: told in a sentence what is not as it should be.
    """

    def __init__(
        self,
        pixel_shape: Callable[[], Fraction],
        attempt: Attempt[Any],
        note: Callable[[str], None],
        warn: Callable[[str], None],
    ) -> None:
        self._pixel_shape, self._attempt, self._note, self._warn = pixel_shape, attempt, note, warn
        self._chain: _Chain | None = None
        self._kind: _Kind | None = None
        self._shape = Fraction(0)  # of the pixels
        self._first: Size | None = None  # as shown
        self._interlaced = False  # a picture was, and those after it may be
        self._rotation: int | None = None
        self._turn: tuple[str, ...] = ()

    def shown(self, pictures: Iterable[Decoded]) -> Iterator[Decoded]:
        """Every picture as it is shown, in the same order."""
        for item in pictures:
            kind = self._kind_of(item.picture)
            if is_on_device(item.picture):
                kind = kind._replace(format=DEEP_PLANAR if kind.transfer in HDR else PLANAR[0])
                here = self._attempt(partial(downloaded, item.picture, kind.format))
                if here is None:
                    continue
                item = item._replace(picture=here)
            if kind != self._kind:
                yield from self._drain()
                self._chain, self._kind = self._make_chain(item.picture, kind), kind
            if self._chain is None:
                yield item
            else:
                yield from self._attempt(partial(self._chain.push, item)) or ()
        yield from self._drain()

    def _drain(self) -> Iterator[Decoded]:
        if self._chain is not None:
            yield from self._attempt(self._chain.flush) or ()
            self._chain = None

    def _kind_of(self, picture: av.VideoFrame) -> _Kind:
        if picture.rotation != self._rotation:  # else not looked at: a picture asked for side data is freed late
            matrix = picture.side_data.get("DISPLAYMATRIX")
            # Where the stream itself says how it is turned, only some pictures do; the others are as those before.
            if matrix is not None or self._rotation is None:
                self._rotation, self._turn = picture.rotation, _turning_filters(matrix)
        if picture.key_frame or not self._shape:  # between them, the decoder is ahead of the pictures it gives
            self._shape = self._pixel_shape()
        self._interlaced = self._interlaced or picture.interlaced_frame
        return _Kind(
            (picture.width, picture.height),
            self._shape,
            self._turn,
            self._interlaced,
            picture.format.name,
            int(picture.colorspace),
            int(picture.color_range),
            int(picture.color_trc),
        )

    def _make_chain(self, picture: av.VideoFrame, kind: _Kind) -> _Chain | None:
        """The filters for pictures of this kind, None where they are fine as they are."""
        format_name = DEEP_PLANAR if kind.transfer in HDR else "yuv420p"
        size = self._size(kind)
        steps = [DEINTERLACE] if kind.interlaced else []
        if size != kind.size or kind.format not in (PLANAR if format_name in PLANAR else (format_name,)):
            steps += ["scale={}:{}:{}".format(*size, SCALER), f"format={format_name}"]
        steps += kind.turn
        if kind.interlaced:
            self._note("interlaced: deinterlaced (bwdif)")
        if kind.transfer in HDR:
            self._note(f"HDR ({HDR[kind.transfer]}) brought to SDR BT.709")
        return self._attempt(partial(_Chain, picture, steps)) or _BROKEN if steps else None

    def _size(self, kind: _Kind) -> Size:
        """The size to scale to, before the picture is turned: square pixels, none of them lost."""
        width, height = _square(kind.size, kind.shape)
        if (width, height) != kind.size:
            self._note(f"pixels of {kind.shape.numerator}:{kind.shape.denominator} made square")
        elif abs(kind.shape - 1) > SQUARE_ENOUGH:
            self._warn(f"pixels of {kind.shape.numerator}:{kind.shape.denominator} are taken for square ones")
        on_its_side = any(name.startswith("transpose") for name in kind.turn)
        shown = (height, width) if on_its_side else (width, height)
        first = self._first = self._first or shown
        if shown == first:
            return width, height
        alike = abs(shown[0] * first[1] - shown[1] * first[0]) <= SAME_SHAPE * shown[1] * first[0]
        how = "is scaled" if alike else "keeps its shape"
        self._warn("the picture's size changes from {}x{} to {}x{}, which {}".format(*first, *shown, how))
        if not alike:
            return width, height
        return (first[1], first[0]) if on_its_side else first


def _square(size: Size, shape: Fraction) -> Size:
    """The size at which a picture of such pixels has square ones, enlarged along one side."""
    width, height = size
    if abs(shape - 1) <= SQUARE_ENOUGH or not 1 / LONGEST_PIXEL <= shape <= LONGEST_PIXEL:
        return size
    square = (round(width * shape), height) if shape > 1 else (width, round(height / shape))
    return square if square[0] * square[1] <= MAX_PIXELS else size


def _turning_filters(matrix: Any) -> tuple[str, ...]:
    """The filters that do what a display matrix says, chosen as ffmpeg does: quarter turns and mirrors."""
    if matrix is None:
        return ()
    a, b, _, c, d, *_ = struct.unpack("9i", bytes(matrix))
    if abs(b) + abs(c) > abs(a) + abs(d):  # on its side
        mirrored = (b > 0) == (c > 0)
        return (f"transpose={'c' if c > 0 else ''}clock{'_flip' if mirrored else ''}",)
    # `copy` gives a mirrored picture rows that lie from top to bottom again.
    mirrors = tuple(name for name, value in (("hflip", a), ("vflip", d)) if value < 0)
    return (*mirrors, "copy") if mirrors else ()


class _Chain:
    """A chain of ffmpeg's filters, which may hold pictures back.

    Args:
        picture: of the kind that will be pushed.
        filters: in ffmpeg's notation.
    """

    def __init__(self, picture: av.VideoFrame, filters: Iterable[str]) -> None:
        source = (
            f"video_size={picture.width}x{picture.height}:pix_fmt={picture.format.name}:"
            f"time_base={picture.time_base or Fraction(1, 90000)}:"
            f"colorspace={int(picture.colorspace)}:range={int(picture.color_range)}"
        )
        self._graph = Graph()
        self._inside: deque[Decoded] = deque()
        nodes = [self._graph.add("buffer", source)]
        for text in filters:
            name, _, arguments = text.partition("=")
            nodes.append(self._graph.add(name, arguments or None))
        self._graph.link_nodes(*nodes, self._graph.add("buffersink")).configure()

    def push(self, item: Decoded) -> list[Decoded]:
        """Put a picture in; returns those that come out."""
        self._inside.append(item)
        try:
            self._graph.vpush(item.picture)
            return self._pull()
        except av.error.FFmpegError:
            self._inside.pop()
            raise

    def flush(self) -> list[Decoded]:
        """The pictures still inside."""
        self._graph.vpush(None)
        return self._pull()

    def _pull(self) -> list[Decoded]:
        """What is ready; as many come out as went in, in the same order."""
        out: list[Decoded] = []
        while True:
            try:
                picture = self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return out
            out.append(self._inside.popleft()._replace(picture=picture))


class _Broken(_Chain):
    """Stands for filters that ffmpeg refused to set up: nothing comes out."""

    def __init__(self) -> None:
        self._inside = deque()

    def push(self, _item: Decoded) -> list[Decoded]:
        return []

    def flush(self) -> list[Decoded]:
        return []


_BROKEN = _Broken()
