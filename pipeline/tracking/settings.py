"""What decides the landmarks of a video: plain numbers, part of a dataset's settings digest."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.tracking.search import SearchSettings

# Of the code that makes a track of a video. It is raised with every change that may change one: tracks that were kept
# for other crops are then made anew (tests/pipeline/tracking/test_version.py).
TRACKER_VERSION = 2


@dataclass(frozen=True)
class TrackSettings:
    """How a face is followed and searched. Scores are dlib's (its own threshold is 0, sure faces are above 1).

    Attributes:
        detect_every: frames from one detection to the next on a sure, calm face; unsure, moving and new ones get more.
        sure_score: score from which a face is sure.
        lapse_score: how low a followed face's score may fall, provided the second look still sees it.
        reach: half the side of the neighbourhood searched around a face, in units of the face size.
        far_reach: the same where the face is not as expected, or was lost.
        calm_motion: motion a frame below which a face is calm, in units of its size.
        largest_motion: motion from which a frame is detected at once.
        largest_gap: distance of the expected from the detected box, in units of its size, from which a face must
            look the same to be the same one, and the track's calibration is begun anew.
        leap: the same, from which a face that held still may be another one, though nobody else was seen before.
        least_likeness: correlation of a face (`FaceLook.whole`) with itself one frame before below which it is
            detected at once.
        same_likeness: correlation of looks (`FaceLook.fine`) from which two faces are one person's.
        certain_likeness: the same, of neighbouring frames, above which nothing has come between face and camera.
        other_likeness: the same, below which a leap is another person.
        largest_residual: Procrustes distance of neighbouring frames' shapes above which they are doubted.
        box_gain: weight of a new detection in the running box (`BoxModel`).
        subpixel: landmarks as the model gives them, which dlib rounds to whole pixels.
        cut_levels: least mean change of luma, in levels, of a scene cut.
        look_every: frames between looks at the whole picture for other faces.
        look_pixels: size of the reduced picture for that, at most.
        linger: frames for which a lost face is looked for where it was, on every frame.
        patience: frames for which nobody who was seen elsewhere takes a lost face's place.
        rival_patience: the same for somebody who was seen in front of it.
        search: how frames without a face are searched.

    Where the thresholds come from: of 93 clips of real people (`benchmarks/doubts.py`), from frame to
    frame of a face that is followed,

    | quantity | 1 % | 50 % | 99 % | 99.9 % | threshold |
    | --- | ---: | ---: | ---: | ---: | --- |
    | motion | 0.001 | 0.008 | 0.106 | 0.264 | calm 0.02, largest 0.06 (the 95th percentile is 0.044) |
    | Procrustes distance | 0.009 | 0.020 | 0.067 | 0.129 | largest 0.08 |
    | likeness, whole | 0.836 | 0.991 | 0.999 | 1.000 | least 0.8 |
    | likeness, fine | 0.653 | 0.977 | 0.998 | 0.999 | same 0.7, certain 0.9; other 0.5 (two people: below 0.6) |
    | gap | 0.006 | 0.053 | 0.240 | 0.304 | largest 0.25; leap twice that |
    | score | 0.075 | 1.494 | 2.859 | 3.200 | sure 0.8, lapse -0.5 (one in 1000 is below -0.18) |

    so that what is ordinary passes, and a few frames in a hundred are looked at again by the detector: a doubt costs a
    detection, not a face. Waiting is counted at 25 frames a second: `linger` is two seconds, `rival_patience` one,
    `patience` half of one. What all must get right are the scenes of tests/pipeline/tracking/test_tracker.py.
    """

    detect_every: int = 9
    sure_score: float = 0.8
    lapse_score: float = -0.5
    reach: float = 0.8
    far_reach: float = 1.6
    calm_motion: float = 0.02
    largest_motion: float = 0.06
    largest_gap: float = 0.25
    leap: float = 0.5
    least_likeness: float = 0.8
    same_likeness: float = 0.7
    certain_likeness: float = 0.9
    other_likeness: float = 0.5
    largest_residual: float = 0.08
    box_gain: float = 0.2
    subpixel: bool = False
    cut_levels: float = 8.0
    look_every: int = 90
    look_pixels: int = 400_000
    linger: int = 50
    patience: int = 12
    rival_patience: int = 25
    search: SearchSettings = field(default_factory=SearchSettings)
