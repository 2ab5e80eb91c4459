"""The drawn speakers: a value type for all that tells one from another, eight by name and any number at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Colour = tuple[int, int, int]
Sex = Literal["F", "M"]
HairStyle = Literal["bald", "cropped", "short", "quiff", "long", "bob", "curly", "bun"]
Garment = Literal["crew", "vneck", "shirt", "rollneck"]
Backdrop = Literal["wall", "bokeh", "panels", "window"]


@dataclass(frozen=True)
class Speaker:
    """How one speaker looks. Colours are sRGB in 0-255; lengths are factors about 1 or units (outer-eye distances).

    Attributes:
        jaw: width of the jaw relative to the temples.
        chin: units by which the chin is longer than the average.
        eye_tilt: units by which the inner eye corners lie below the outer ones.
        brow_arch, brow_weight: factors of the brow's curvature and thickness.
        lid: the colour of the upper eyelid, which only a blink shows.
        teeth, tooth_gap, tooth_unevenness, gold_tooth, tongue: what only an open mouth shows; `tooth_gap` is the
            distance of the incisors in units, `gold_tooth` an index 0-7 from the left or -1 for none.
        freckles, stubble: strengths 0-1; `mole` is its place in units or None.
        light: where the key light stands, -1 (left) to 1 (right).
        look: seed of everything drawn at random (hairs, freckles, background).
    """

    name: str
    sex: Sex
    skin: Colour
    hair: Colour
    hair_style: HairStyle
    iris: Colour
    lid: Colour
    lips: Colour
    teeth: Colour = (236, 230, 216)
    tongue: Colour = (190, 92, 96)
    tooth_gap: float = 0.0
    tooth_unevenness: float = 0.2
    gold_tooth: int = -1
    face_width: float = 1.0
    jaw: float = 1.0
    chin: float = 0.0
    eye_size: float = 1.0
    eye_tilt: float = 0.0
    eye_spacing: float = 0.0
    brow_arch: float = 1.0
    brow_weight: float = 1.0
    nose_width: float = 1.0
    nose_length: float = 1.0
    mouth_width: float = 1.0
    lip_fullness: float = 1.0
    freckles: float = 0.0
    stubble: float = 0.0
    mole: tuple[float, float] | None = None
    earrings: bool = False
    light: float = -0.6
    garment: Garment = "crew"
    cloth: Colour = (70, 90, 120)
    backdrop: Backdrop = "wall"
    wall: Colour = (120, 150, 150)
    look: int = 0


NAMED: tuple[Speaker, ...] = (
    Speaker(
        "Anton", "M", (226, 178, 150), (74, 46, 30), "quiff", (84, 124, 160), (214, 150, 128), (188, 112, 104),
        teeth=(242, 238, 228), tooth_unevenness=0.15, jaw=1.07, chin=0.03, brow_weight=1.35, stubble=0.55,
        light=-0.7, garment="shirt", cloth=(52, 74, 112), backdrop="bokeh", wall=(96, 74, 62), brow_arch=0.72, look=11,
    ),
    Speaker(
        "Babak", "M", (154, 102, 74), (22, 18, 18), "cropped", (66, 40, 26), (112, 66, 48), (118, 60, 56),
        teeth=(248, 244, 236), tooth_gap=0.016, tongue=(176, 84, 92), face_width=1.01, jaw=1.07, nose_width=1.16,
        lip_fullness=1.05, brow_weight=1.35, light=0.6, garment="crew", cloth=(206, 154, 62), backdrop="wall",
        wall=(92, 122, 132), mole=(0.42, 0.62), brow_arch=0.7, stubble=0.35, look=12,
    ),
    Speaker(
        "Carla", "F", (240, 202, 180), (186, 122, 58), "long", (92, 142, 96), (118, 132, 204), (206, 84, 92),
        teeth=(250, 248, 242), tooth_unevenness=0.08, tongue=(206, 110, 112), face_width=0.97, jaw=0.95, eye_size=1.16,
        brow_weight=0.8, nose_width=0.9, lip_fullness=1.12, freckles=0.8, light=-0.5, garment="vneck",
        cloth=(42, 104, 92), backdrop="window", wall=(176, 190, 196), look=13,
    ),
    Speaker(
        "Dov", "M", (232, 190, 166), (150, 142, 136), "bald", (104, 120, 130), (208, 142, 128), (184, 122, 112),
        teeth=(218, 204, 166), tooth_unevenness=0.5, gold_tooth=2, tongue=(182, 90, 88), face_width=1.03, chin=-0.02,
        nose_width=1.1, nose_length=1.05, lip_fullness=0.84, brow_arch=0.7, stubble=0.2, light=0.5, garment="rollneck",
        cloth=(64, 62, 68), backdrop="panels", wall=(146, 132, 106), jaw=1.04, look=14,
    ),
    Speaker(
        "Elif", "F", (216, 168, 132), (30, 22, 24), "bob", (58, 38, 28), (196, 108, 150), (190, 74, 96),
        teeth=(244, 238, 224), tooth_gap=0.01, face_width=0.98, jaw=0.97, eye_size=1.1, eye_tilt=0.022, nose_width=0.94,
        brow_arch=0.8, lip_fullness=1.05, light=0.7, garment="crew", cloth=(176, 62, 66), backdrop="wall",
        wall=(196, 164, 150), earrings=True, look=15,
    ),
    Speaker(
        "Femi", "M", (130, 86, 62), (18, 15, 15), "curly", (50, 30, 22), (82, 48, 36), (94, 44, 44),
        teeth=(250, 246, 240), tooth_unevenness=0.1, tongue=(186, 88, 98), face_width=0.99, chin=0.02, nose_width=1.2,
        lip_fullness=1.12, eye_size=0.98, brow_weight=1.35, light=-0.6, garment="vneck", cloth=(222, 214, 198),
        backdrop="bokeh", wall=(44, 84, 96), brow_arch=0.72, jaw=1.06, stubble=0.4, look=16,
    ),
    Speaker(
        "Greta", "F", (236, 194, 172), (122, 54, 34), "bun", (110, 96, 58), (206, 150, 84), (196, 92, 84),
        teeth=(232, 220, 190), tooth_gap=0.018, tooth_unevenness=0.3, tongue=(198, 100, 104), jaw=0.98, eye_size=1.08,
        brow_arch=1.2, brow_weight=0.9, lip_fullness=0.96, freckles=0.35, mole=(-0.36, 0.66), light=-0.7,
        garment="shirt", cloth=(228, 224, 216), backdrop="panels", wall=(88, 112, 104), look=17,
    ),
    Speaker(
        "Hana", "F", (168, 112, 80), (44, 26, 20), "curly", (74, 46, 26), (204, 152, 48), (158, 56, 72),
        teeth=(248, 244, 236), gold_tooth=5, tooth_unevenness=0.2, tongue=(184, 86, 96), face_width=0.97, jaw=0.96,
        eye_size=1.14, nose_width=1.06, lip_fullness=1.25, brow_arch=1.15, light=0.6, garment="rollneck",
        cloth=(112, 62, 112), backdrop="window", wall=(196, 176, 132), earrings=True, look=18,
    ),
)  # fmt: skip

_SKINS: tuple[Colour, ...] = (
    (238, 200, 178),
    (228, 182, 154),
    (210, 160, 124),
    (172, 118, 86),
    (136, 88, 62),
    (124, 82, 58),
)
_HAIRS: tuple[Colour, ...] = ((24, 20, 20), (58, 38, 28), (96, 62, 38), (168, 118, 60), (130, 60, 36), (140, 134, 130))
_IRISES: tuple[Colour, ...] = ((60, 38, 26), (92, 128, 160), (96, 136, 96), (112, 92, 58), (104, 118, 128))
_LIDS: tuple[Colour, ...] = ((118, 132, 204), (196, 108, 150), (204, 152, 48), (96, 150, 130), (156, 96, 60))
_CLOTHS: tuple[Colour, ...] = (
    (52, 74, 112),
    (176, 62, 66),
    (206, 154, 62),
    (222, 214, 198),
    (64, 62, 68),
    (42, 104, 92),
)
_WALLS: tuple[Colour, ...] = ((120, 150, 150), (92, 122, 132), (196, 164, 150), (146, 132, 106), (88, 84, 110))
_TEETH: tuple[Colour, ...] = ((250, 246, 240), (242, 236, 224), (230, 216, 184), (216, 200, 160))


def random_speaker(seed: int, sex: Sex | None = None) -> Speaker:
    """A speaker drawn from the ranges the named ones span; the same seed and sex give the same speaker."""
    rng = np.random.default_rng([seed, 0x5BEA])
    drawn_sex: Sex = "F" if rng.random() < 0.5 else "M"
    sex = drawn_sex if sex is None else sex
    skin = _pick(rng, _SKINS)
    dark = sum(skin) < 400  # dark skin goes with dark hair and eyes
    feminine = sex == "F"
    styles: tuple[HairStyle, ...] = (
        ("long", "bob", "curly", "bun") if feminine else ("cropped", "short", "quiff", "curly", "bald")
    )
    garments: tuple[Garment, ...] = ("crew", "vneck", "shirt", "rollneck")
    backdrops: tuple[Backdrop, ...] = ("wall", "bokeh", "panels", "window")
    # Numbers are drawn in the order of the lines: to add one in between changes every speaker after it.
    natural_lid = _towards(skin, (150, 80, 70), 0.35)
    return Speaker(
        name=f"Random {seed}",
        sex=sex,
        skin=skin,
        hair=_pick(rng, _HAIRS[:2] if dark else _HAIRS),
        hair_style=styles[rng.integers(len(styles))],
        iris=_pick(rng, _IRISES[:1] if dark else _IRISES),
        lid=_pick(rng, _LIDS) if feminine else natural_lid,
        lips=_lip_colour(skin, sex),
        teeth=_pick(rng, _TEETH),
        tongue=_towards((200, 100, 104), (170, 80, 92), float(rng.random())),
        tooth_gap=float(rng.choice([0.0, 0.0, 0.01, 0.018])),
        tooth_unevenness=float(rng.uniform(0.05, 0.5)),
        gold_tooth=int(rng.choice([-1, -1, -1, 2, 5])),
        face_width=float(rng.uniform(0.97, 1.03)),
        jaw=float(rng.uniform(0.95, 1.0) if feminine else rng.uniform(1.0, 1.06)),
        chin=float(rng.uniform(-0.03, 0.03)),
        eye_size=float(rng.uniform(1.02, 1.16) if feminine else rng.uniform(0.95, 1.08)),
        eye_tilt=float(rng.uniform(-0.01, 0.022)),
        eye_spacing=float(rng.uniform(-0.012, 0.012)),
        brow_arch=float(rng.uniform(0.7, 1.2)),
        brow_weight=float(rng.uniform(0.75, 0.95) if feminine else rng.uniform(1.0, 1.3)),
        nose_width=float(rng.uniform(0.9, 1.18)),
        nose_length=float(rng.uniform(0.96, 1.05)),
        mouth_width=float(rng.uniform(0.94, 1.06)),
        lip_fullness=float(rng.uniform(0.85, 1.25)),
        freckles=float(max(0.0, rng.uniform(-1.0, 0.8))),
        stubble=0.0 if feminine else float(max(0.0, rng.uniform(-0.4, 0.6))),
        mole=(float(rng.choice([-0.42, 0.4])), 0.62) if rng.random() < 0.3 else None,
        earrings=feminine and bool(rng.random() < 0.4),
        light=float(rng.choice([-1, 1]) * rng.uniform(0.45, 0.75)),
        garment=garments[rng.integers(len(garments))],
        cloth=_pick(rng, _CLOTHS),
        backdrop=backdrops[rng.integers(len(backdrops))],
        wall=_pick(rng, _WALLS),
        look=1000 + seed,
    )


def _lip_colour(skin: Colour, sex: Sex) -> Colour:
    """Redder than the skin, and darker in any light: dlib sees lips by that."""
    factors = (0.86, 0.46, 0.52) if sex == "F" else (0.84, 0.62, 0.62)
    red, green, blue = (round(c * factor) for c, factor in zip(skin, factors, strict=True))
    return (red, green, blue)


def _pick(rng: np.random.Generator, choices: tuple[Colour, ...]) -> Colour:
    return choices[rng.integers(len(choices))]


def _towards(colour: Colour, goal: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, goal, strict=True))
    return (red, green, blue)
