"""What stays behind and below a speaker's head: the backdrop, and shoulders with neck and clothes."""

from __future__ import annotations

import numpy as np

from pipeline.sample.canvas import Canvas, Mask, Picture, curve, disc, ribbon, shifted
from pipeline.sample.landmarks import Points
from pipeline.sample.relief import noise, rounded, shade
from pipeline.sample.speakers import Speaker


def backdrop(speaker: Speaker, size: tuple[int, int]) -> Picture:
    """The room, out of focus: (H, W, 3) float32 in 0-255 for `size` = (width, height)."""
    width, height = size
    rng = np.random.default_rng([speaker.look, 6])
    wall = np.array(speaker.wall, float)
    across, down = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    room = np.empty((height, width, 3), np.float32)
    pool = np.exp(-(((across - 0.5 * speaker.light) / 0.9) ** 2 + ((down + 0.35) / 0.9) ** 2))
    room[:] = wall * (0.62 + 0.5 * pool[..., None])
    paint = Canvas(room, lambda points: points, 1.0)
    if speaker.backdrop == "bokeh":
        _bokeh(paint, wall, width, height, rng)
    elif speaker.backdrop == "panels":
        _panels(paint, wall, width, height, rng)
    elif speaker.backdrop == "window":
        _window(paint, wall, width, height, -1 if speaker.light < 0 else 1)
    room *= (1 - 0.22 * np.clip(across**2 + down**2, 0, 2) / 2)[..., None]
    room *= (1 + 0.012 * noise((height, width), 0.12 * height, rng))[..., None]
    return np.clip(room, 0, 255)


def _bokeh(paint: Canvas, wall: Points, width: int, height: int, rng: np.random.Generator) -> None:
    """Distant lamps as discs of light."""
    glow = np.array([[255, 214, 150], [255, 236, 200], [190, 214, 240], [240, 170, 120]], float)
    for _ in range(26):
        centre = (rng.uniform(0, width), rng.uniform(0, 0.8 * height))
        radius = height * rng.uniform(0.02, 0.07)
        colour = 0.45 * wall + 0.55 * glow[rng.integers(len(glow))]
        paint.fill(disc(centre, radius), colour, rng.uniform(0.15, 0.5), soft=0.006 * height)


def _panels(paint: Canvas, wall: Points, width: int, height: int, rng: np.random.Generator) -> None:
    """Shelves with books."""
    for shelf in np.arange(-0.02, 1.0, 0.27):
        left = -0.02 * width
        while left < width:
            thick, tall = width * rng.uniform(0.018, 0.05), height * rng.uniform(0.14, 0.215)
            foot = (shelf + 0.25) * height
            colour = np.clip(0.5 * wall + rng.uniform(0.15, 0.75) * np.array(rng.choice(_BOOKS)), 0, 255)
            if rng.random() < 0.85:
                corners = [(left, foot - tall), (left + thick, foot - tall), (left + thick, foot), (left, foot)]
                paint.fill(np.array(corners), colour, 0.8, soft=0.009 * height)
            left += thick
        board = [(-9.0, (shelf + 0.25) * height), (width + 9.0, (shelf + 0.25) * height),
                 (width + 9.0, (shelf + 0.272) * height), (-9.0, (shelf + 0.272) * height)]  # fmt: skip
        paint.fill(np.array(board), 0.42 * wall, 0.9, soft=0.007 * height)


_BOOKS = [(150, 70, 50), (60, 90, 110), (190, 160, 100), (70, 100, 80), (120, 110, 100)]


def _window(paint: Canvas, wall: Points, width: int, height: int, side: int) -> None:
    """Bright panes on the side the light comes from."""
    start, pane = (0.03, 0.13) if side < 0 else (0.69, 0.13)
    for column in range(2):
        for row in range(3):
            left, top = (start + column * (pane + 0.02)) * width, (-0.05 + row * 0.26) * height
            corners = [(left, top), (left + pane * width, top), (left + pane * width, top + 0.235 * height),
                       (left, top + 0.235 * height)]  # fmt: skip
            sky = np.array([236, 242, 248]) * (1 - 0.06 * row) * 0.9 + 0.1 * wall
            paint.fill(np.array(corners), sky, 0.82, soft=0.013 * height)


def paint_body(speaker: Speaker, canvas: Canvas, shape: tuple[int, int]) -> Mask:
    """Paint neck and shoulders on a canvas in face units; returns their mask."""
    rng = np.random.default_rng([speaker.look, 7])
    # Outlines, in face units.
    neck_half = (0.50 if speaker.sex == "M" else 0.42) * speaker.face_width
    edge = [(neck_half, 0.5), (neck_half, 1.25), (neck_half + 0.03, 1.55), (neck_half + 0.22, 1.9)]
    neck = np.array([*((-x, y) for x, y in edge), (0.0, 2.6), *edge[::-1]])
    broad = 1.95 if speaker.sex == "M" else 1.7
    slope = np.array(
        [(-neck_half + 0.02, 1.52), (-0.95, 1.80), (-broad + 0.25, 2.06), (-broad, 2.6), (-broad - 0.1, 4.2)]
    )
    shoulders = np.concatenate([curve(slope), curve(slope)[::-1] * (-1, 1)])
    neck_mask, cloth_mask = canvas.full_cover(curve(neck, closed=True)), canvas.full_cover(shoulders)
    # Neck and breast, in the chin's shadow.
    skin = np.empty((*shape, 3), np.float32)
    skin[:] = np.array(speaker.skin) * (0.94, 0.88, 0.86)
    neck_relief = rounded(neck_mask, canvas.scale, 0.5, 0.5, 0.04)
    bare = Canvas(shade(skin, neck_relief, canvas.scale, speaker.light, 0.03), canvas.project, canvas.scale)
    chin_shadow = curve(np.array([(-0.75, 0.6), (-0.5, 1.25), (0.0, 1.52), (0.5, 1.25), (0.75, 0.6)]))
    bare.tint(shifted(chin_shadow, -0.08 * speaker.light, 0), (0.40, 0.33, 0.33), 0.9, soft=0.06)
    for side in (-1, 1):
        cord = np.array([(0.40, 1.1), (0.26, 1.5), (0.08, 1.86)]) * (side, 1)
        bare.tint(ribbon(curve(cord), [0.02, 0.06, 0.03]), (0.85, 0.8, 0.78), 0.5, soft=0.03)
    # What is worn over them.
    cloth = np.empty((*shape, 3), np.float32)
    cloth[:] = speaker.cloth
    cloth *= (1 + 0.03 * noise(shape, 2.0, rng))[..., None]
    folds = rounded(cloth_mask, canvas.scale, 0.7, 0.6, 0.08) + 0.02 * noise(shape, 0.5 * canvas.scale, rng)
    dressed = Canvas(shade(cloth, folds, canvas.scale, speaker.light, 0.0), canvas.project, canvas.scale)
    opening = _dress(speaker, dressed, bare, neck_half)
    worn = cloth_mask if opening is None else cloth_mask * (1 - canvas.full_cover(opening))
    if speaker.garment == "rollneck":
        collar = _roll(neck_half)
        worn = np.maximum(worn, canvas.full_cover(collar))
    # Cloth over skin, wherever it is not cut out.
    canvas.picture[:] = bare.picture + worn[..., None] * (dressed.picture - bare.picture)
    return np.asarray(np.maximum(np.maximum(neck_mask, cloth_mask), worn))


def _roll(neck_half: float) -> Points:
    side = np.array([(neck_half + 0.05, 1.38), (neck_half + 0.09, 1.6), (neck_half + 0.16, 1.85)])
    low = np.array([(0.0, 1.98)])
    high = np.array([(0.0, 1.56)])
    return curve(np.concatenate([side, low, side[::-1] * (-1, 1), high]), closed=True)


def _dress(speaker: Speaker, dressed: Canvas, bare: Canvas, neck_half: float) -> Points | None:
    """Collars and hems on the cloth; returns the outline of the skin left free, if any."""
    dark, wide = (0.62, 0.60, 0.60), neck_half + 0.14
    if speaker.garment == "rollneck":
        for level in (1.62, 1.74, 1.86):
            fold = np.array([(-wide, level - 0.12), (0.0, level), (wide, level - 0.12)])
            dressed.tint(ribbon(curve(fold), [0.02, 0.045, 0.02]), dark, 0.5, soft=0.02)
        return None
    deep = {"crew": 1.93, "vneck": 2.3, "shirt": 2.15}[speaker.garment]
    if speaker.garment == "crew":
        edge = [(wide, 1.5), (wide - 0.04, 1.68), (0.3, 1.87)]
        opening = curve(np.array([*((-x, y) for x, y in edge), (0.0, deep), *edge[::-1]]))
    else:
        opening = np.array([(-wide, 1.5), (-wide + 0.06, 1.68), (0, deep), (wide - 0.06, 1.68), (wide, 1.5)])
    hem = opening[1:-1] if speaker.garment != "crew" else opening[4:-4]
    dressed.tint(ribbon(shifted(hem, 0, 0.05), [0.05, 0.07, 0.05]), (0.84, 0.83, 0.83), 0.8, soft=0.006)
    bare.tint(ribbon(hem, [0.06, 0.08, 0.06]), dark, 0.7, soft=0.03)
    if speaker.garment == "shirt":
        _collar(speaker, dressed, wide, deep)
    return opening


def _collar(speaker: Speaker, dressed: Canvas, wide: float, deep: float) -> None:
    """Two collar leaves and a row of buttons."""
    light = np.minimum(np.array(speaker.cloth) * 1.08 + 8, 255)
    for side in (-1, 1):
        leaf = np.array([(wide - 0.06, 1.56), (0.02, deep - 0.02), (0.20, deep + 0.2), (wide + 0.12, 1.86)]) * (side, 1)
        dressed.tint(shifted(leaf, 0, 0.03), (0.5, 0.5, 0.52), 0.6, soft=0.025)
        dressed.fill(leaf, light, 1.0, soft=0.004)
    placket = np.array([(0.0, deep), (0.0, 4.0)])
    dressed.tint(ribbon(shifted(placket, 0.09, 0.1), [0.012, 0.012]), (0.7, 0.7, 0.7), 0.8, soft=0.006)
    dressed.fill(disc((0.0, deep + 0.22), 0.026), np.minimum(light * 0.8 + 30, 255), 1.0, 0.004)
