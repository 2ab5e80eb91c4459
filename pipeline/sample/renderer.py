"""From a speaker, a state and a pose to a frame and its ground truth: layers painted once, laid together per frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.geometry import MOUTH
from pipeline.sample.canvas import Canvas, Mask, Picture, disc
from pipeline.sample.eyes import paint_eyes
from pipeline.sample.hair import paint_hair
from pipeline.sample.landmarks import FaceState, Points, face_landmarks, jaw_drop
from pipeline.sample.mouth import paint_mouth
from pipeline.sample.pose import Grid, Pose, undo_jaw
from pipeline.sample.relief import Field, bump
from pipeline.sample.skin import paint_skin
from pipeline.sample.speakers import NAMED, Speaker
from pipeline.sample.studio import backdrop, paint_body
from pipeline.sample.tresses import Tresses

Layer = npt.NDArray[np.uint8]
Frame = npt.NDArray[np.uint8]

_LEFT, _TOP, _RIGHT, _BOTTOM = -1.4, -1.95, 1.4, 2.05  # what a head's layers cover, in units
_BODY_LEFT, _BODY_TOP = -3.4, 0.4
_BODY_RIGHT, _BODY_BOTTOM = 3.4, 4.2
_LAYER_DETAIL = 1.3  # layer pixels a frame pixel
_PAINT_DETAIL = 2  # painted pixels a layer pixel
_MAP_STEP = 8  # the map from frame to layer is smooth: every eighth pixel is computed, the rest interpolated


@dataclass(frozen=True)
class Studio:
    """A speaker ready to be filmed: premultiplied RGBA layers at `detail` pixels a unit, and the room."""

    speaker: Speaker
    size: tuple[int, int]
    unit: float
    detail: float
    room: Picture
    body: Layer
    back_hair: Layer
    head: Layer
    front_hair: Layer
    grain: npt.NDArray[np.int8]


def unit_pixels(size: tuple[int, int]) -> float:
    """The usual distance between the outer eye corners, in pixels, for frames of (width, height)."""
    return 0.225 * min(size[1], 0.75 * size[0])


@lru_cache(maxsize=2)
def studio(speaker: Speaker, size: tuple[int, int]) -> Studio:
    """Paint what stays the same in all of a speaker's frames of (width, height); takes about a second."""
    unit = unit_pixels(size)
    detail = _LAYER_DETAIL * unit
    fine = detail * _PAINT_DETAIL
    width, height = round((_RIGHT - _LEFT) * detail), round((_BOTTOM - _TOP) * detail)
    shape = (height * _PAINT_DETAIL, width * _PAINT_DETAIL)
    origin = np.array([_LEFT, _TOP])
    columns, rows = np.arange(shape[1], dtype=np.float32), np.arange(shape[0], dtype=np.float32)
    x, y = np.meshgrid(columns / fine + _LEFT, rows / fine + _TOP)

    canvas = Canvas(np.zeros((*shape, 3), np.float32), lambda points: (points - origin) * fine, fine)
    head_cover = paint_skin(speaker, canvas, x, y)
    back = Tresses(shape, origin, fine, speaker.hair, speaker.look)
    front = Tresses(shape, origin, fine, speaker.hair, speaker.look + 1)
    paint_hair(speaker.hair_style, back, front)
    crisp = speaker.hair_style in ("curly", "cropped")
    back_hair = back.finished(speaker.light, crisp)
    front_hair = front.finished(speaker.light, crisp, None if crisp else _halo(speaker, x, y))
    _cast_hair_shadow(canvas.picture, front_hair[1], fine)
    if speaker.earrings:
        head_cover = np.maximum(head_cover, _paint_earrings(canvas))
    rng = np.random.default_rng([speaker.look, 8])
    return Studio(
        speaker,
        size,
        unit,
        detail,
        backdrop(speaker, size),
        _body_layer(speaker, detail),
        _packed(*back_hair),
        _packed(canvas.picture, head_cover),
        _packed(*front_hair),
        np.rint(rng.normal(0, 1.3, (size[1] * 2, size[0] * 2))).astype(np.int8),
    )


def render(scene: Studio, state: FaceState, pose: Pose, seed: int = 0) -> tuple[Frame, Points]:
    """One frame (H, W, 3) uint8 RGB and its ground truth: landmarks (68, 2) in pixels (centres at integers)."""
    landmarks = face_landmarks(scene.speaker, state)
    picture = scene.room.copy()
    corners = pose.project(np.array([(_LEFT, _TOP), (_RIGHT, _TOP), (_RIGHT, _BOTTOM), (_LEFT, _BOTTOM)]))
    region = _clip(corners, scene.size)
    x, y = _face_grid(pose, region)
    _lay(picture, scene.back_hair, scene, region, x, y)
    _lay_body(picture, scene, pose)
    _lay(picture, scene.head, scene, region, x, undo_jaw(x, y, jaw_drop(state)))
    face = Canvas(picture, pose.project, pose.scale)
    paint_eyes(face, scene.speaker, state, landmarks)
    paint_mouth(face, scene.speaker, state, landmarks[MOUTH])
    _lay(picture, scene.front_hair, scene, region, x, y)
    width, height = scene.size
    rng = np.random.default_rng(seed)
    left, top = rng.integers(width), rng.integers(height)
    picture += scene.grain[top : top + height, left : left + width, None]
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8), pose.project(landmarks)


def speaker_sheet(speakers: tuple[Speaker, ...] = NAMED, size: tuple[int, int] = (320, 360)) -> npt.NDArray[np.uint8]:
    """A picture for people: a row for each speaker, columns shut, half open, open vowel, blink; RGB uint8."""
    states = (
        FaceState(),
        FaceState(open=0.3, wide=0.5, brow=0.2),
        FaceState(open=0.95, wide=-0.05, brow=0.5),
        FaceState(open=0.1, blink=1.0),
    )
    turns = (-0.05, 0.07, 0.02, -0.08)
    rows = []
    for speaker in speakers:
        scene = studio(speaker, size)
        unit = 0.27 * size[1]
        poses = [Pose(0.5 * size[0], 0.5 * size[1], unit, yaw=turn, roll=0.3 * turn) for turn in turns]
        rows.append(np.hstack([render(scene, *shot)[0] for shot in zip(states, poses, strict=True)]))
    return np.vstack(rows)


def _halo(speaker: Speaker, x: Field, y: Field) -> Field:
    """The band of light over smooth hair."""
    radius = np.hypot(x - 0.25 * speaker.light, (y + 0.35) / 1.12)
    band = np.exp(-(((radius - 0.86) / 0.10) ** 2)) * np.clip((0.1 - y) / 0.6, 0, 1)
    return np.asarray(band * (0.35 + 0.65 * bump(x, y, (0.5 * speaker.light, -1.1), 0.55, 0.5)), np.float32)


def _cast_hair_shadow(skin: Picture, hair: Mask, fine: float) -> None:
    offset = round(0.05 * fine)
    shadow = np.zeros_like(hair)
    shadow[offset:] = hair[:-offset]
    shadow = cv2.GaussianBlur(shadow, (0, 0), 0.045 * fine)
    skin *= 1 - shadow[..., None] * np.array([0.42, 0.5, 0.52], np.float32)


def _paint_earrings(canvas: Canvas) -> Mask:
    cover = np.zeros(canvas.picture.shape[:2], np.float32)
    for side in (-1, 1):
        pearl = disc((side * 0.85, 0.37), 0.035)
        canvas.fill(pearl, (226, 186, 92))
        canvas.fill(disc((side * 0.85 - 0.01, 0.36), 0.012), (255, 246, 214), 0.9, 0.004)
        cover = np.maximum(cover, canvas.full_cover(pearl))
    return cover


def _body_layer(speaker: Speaker, detail: float) -> Layer:
    shape = round((_BODY_BOTTOM - _BODY_TOP) * detail), round((_BODY_RIGHT - _BODY_LEFT) * detail)
    origin = np.array([_BODY_LEFT, _BODY_TOP])
    canvas = Canvas(np.zeros((*shape, 3), np.float32), lambda points: (points - origin) * detail, detail)
    cover = paint_body(speaker, canvas, shape)
    return _premultiplied(canvas.picture, cover)


def _packed(picture: Picture, cover: Mask) -> Layer:
    """Colour and cover as premultiplied RGBA at the layers' own resolution."""
    layer = _premultiplied(picture, cover)
    size = layer.shape[1] // _PAINT_DETAIL, layer.shape[0] // _PAINT_DETAIL
    return np.asarray(cv2.resize(layer, size, interpolation=cv2.INTER_AREA), np.uint8)


def _premultiplied(picture: Picture, cover: Mask) -> Layer:
    whole = np.dstack([np.clip(picture, 0, 255) * cover[..., None], 255 * cover])
    return np.rint(whole).astype(np.uint8)


def _clip(corners: Points, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The corners' bounding box inside the frame: left, top, right, bottom."""
    margin = 6
    left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int) - margin, 0)
    right, bottom = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + margin, size)
    return int(left), int(top), int(right), int(bottom)


def _face_grid(pose: Pose, region: tuple[int, int, int, int]) -> tuple[Grid, Grid]:
    """Face-frame coordinates of every `_MAP_STEP`-th pixel of a region, one step beyond its end."""
    left, top, right, bottom = region
    columns = np.arange(left, right + 2 * _MAP_STEP, _MAP_STEP, dtype=np.float64)
    rows = np.arange(top, bottom + 2 * _MAP_STEP, _MAP_STEP, dtype=np.float64)
    across, down = np.meshgrid(columns, rows)
    return pose.unproject(across, down)


def _lay(picture: Picture, layer: Layer, scene: Studio, region: tuple[int, int, int, int], x: Grid, y: Grid) -> None:
    """Put a head layer on the picture, turned as the coarse grid of face coordinates says."""
    left, top, right, bottom = region
    if not layer.any():
        return
    # a layer pixel is the mean of painted pixels, hence the quarter
    shift = 0.5 * (_PAINT_DETAIL - 1) / _PAINT_DETAIL
    coarse = np.dstack([(x - _LEFT) * scene.detail - shift, (y - _TOP) * scene.detail - shift]).astype(np.float32)
    finer = np.array([[1 / _MAP_STEP, 0, 0], [0, 1 / _MAP_STEP, 0]])
    dense = cv2.warpAffine(coarse, finer, (right - left, bottom - top), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    turned = cv2.remap(layer, dense, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    _blend(picture[top:bottom, left:right], turned)


def _lay_body(picture: Picture, scene: Studio, pose: Pose) -> None:
    """Neck and shoulders follow the head's place and size, not its turns."""
    top = max(int(pose.y + _BODY_TOP * pose.scale), 0)
    if top >= scene.size[1]:
        return
    ratio = scene.detail / pose.scale
    to_layer = np.array([
        [ratio, 0, -pose.x * ratio - _BODY_LEFT * scene.detail],
        [0, ratio, (top - pose.y) * ratio - _BODY_TOP * scene.detail],
    ])  # fmt: skip
    size = scene.size[0], scene.size[1] - top
    placed = cv2.warpAffine(scene.body, to_layer, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    _blend(picture[top:], placed)


def _blend(under: Picture, over: Layer) -> None:
    """Lay premultiplied RGBA over a picture in place; whole planes are many times as fast as numpy's broadcasting."""
    through = cv2.merge([255 - over[..., 3]] * 3)
    under *= through * np.float32(1 / 255)
    under += cv2.cvtColor(over, cv2.COLOR_RGBA2RGB)
