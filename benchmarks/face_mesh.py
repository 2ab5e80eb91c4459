"""MediaPipe's face mesh on every frame of some videos, decoding included: the row of `preparation.py --mediapipe`.

    PYTHON benchmarks/face_mesh.py VIDEO...

MediaPipe wants other versions of numpy and OpenCV than we do, so PYTHON is that of an environment of its own:
`pip install mediapipe==0.10.21 av` (the last version whose wheel holds the model). Prints, for each video, its frames,
those with a face, and the CPU milliseconds a frame, as JSON; the models are loaded before.
"""

from __future__ import annotations

import json
import sys
import time

import av
import mediapipe  # type: ignore[import-not-found, unused-ignore]
import numpy as np


def main(videos: list[str]) -> None:
    """Measure and print."""
    for video in videos:
        with mediapipe.solutions.face_mesh.FaceMesh(max_num_faces=1) as mesh:
            mesh.process(np.zeros((64, 64, 3), np.uint8))  # loads the models
            frames, found, before = 0, 0, time.process_time()
            with av.open(video) as container:
                container.streams.video[0].thread_type = "NONE"
                for frame in container.decode(video=0):
                    frames += 1
                    found += mesh.process(frame.to_ndarray(format="rgb24")).multi_face_landmarks is not None
            spent = time.process_time() - before
        print(json.dumps({"frames": frames, "found": found, "ms": spent / frames * 1e3}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
