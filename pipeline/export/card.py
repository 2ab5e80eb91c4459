"""README.md of an export: what is in it, how to read it, whose it is; with the head that `datasets` reads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pipeline.cli import printable
from pipeline.export.settings import ExportSettings

_READ = {
    "webdataset": """\
A sample is {sample}, its frames {frames}. `npz` holds arrays of as many rows, `json` says where they come from.
Frames of a sample lie beside each other, the videos of a file in an order that is drawn; shuffle all the same.

```python
import webdataset, glob
for sample in webdataset.WebDataset(sorted(glob.glob("{split}/*.tar")), shardshuffle=False).decode("rgb8"):
    print(sample["__key__"], sample["json"]["speaker"], sample["npz"]["landmarks"].shape)
```
""",
    "clips": """\
A clip is a folder `<split>/<speaker>/<clip>/`: `video.mp4` (H.264, the crops at the video's frame rate),
`landmarks.npz` (arrays of as many rows as the video has frames) and `clip.json` (where it comes from). Frames that were
dropped are not there: where `frame_index` rises by more than one, time is missing. `audio.wav`, where there is one, is
the sound of the frames that are there.
""",
    "huggingface": """\
A row is a frame.

```python
from datasets import load_dataset
dataset = load_dataset(".", split="{split}")
print(dataset[0]["video"], dataset[0]["image"].size)
```
""",
}
_COLUMNS = """\
| name | a frame | meaning |
| --- | --- | --- |
| pictures | {size} x {size}, RGB | crop of the face, of one scale a video |
| `landmarks` | 68 x 2 float32 | dlib's 68 points: x, y in pixels of the crop, pixel centres at integers |
| `mouth_openness` | float32 | pixels of the crop between the middle outer lip points |
| `frame_index`, `pts_seconds` | int32, float64 | number and time of the frame in its source |
| `crop_transform` | 2 x 3 float32 | affine map from pixels of the source, as it is shown, to those of the crop |
"""
_TERMS = """\
The pictures are the corpus's, and its terms hold for them: see whether they allow passing them on. Landmarks by dlib's
model inherit that of iBUG 300-W, which excludes commercial use. If the pictures show people, use them as these have
agreed to, and say that it is synthetic what you make of them.
"""


def card(settings: ExportSettings, contents: Mapping[str, Any], notices: list[str]) -> str:
    """The page.

    Args:
        contents: of `export.json`.
        notices: files of terms that came with the dataset.
    """
    splits: Mapping[str, Any] = contents["splits"]
    first = next(iter(splits))
    suffix = {"jpeg": "jpg"}.get(settings.pictures, settings.pictures)
    sample = f"{settings.window} frames of a video, the last of one fewer" if settings.window else "a whole video"
    frames = f"`{suffix}`" if settings.window == 1 else f"`000000.{suffix}`, `000001.{suffix}`, ..."
    lines = [
        *(_head(splits) if settings.format == "huggingface" else ()),
        f"# {printable(contents['corpus'])}: talking faces",
        "",
        _READ[settings.format].format(sample=sample, frames=frames, split=first),
        _COLUMNS.format(size=contents["frame_size"]),
        "| split | speakers | videos | frames |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {printable(name)} | {size['speakers']} | {size['videos']} | {size['frames']} |"
            for name, size in splits.items()
        ),
        "",
        "Nobody is in two splits. `manifest.csv` has a row for every source video, also those that are not here;",
        "`SHA256SUMS` is checked by `sha256sum --check SHA256SUMS`.",
        "",
        "## Terms",
        "",
        f"Origin of the pictures: {settings.origin}. Dataset digest: {contents['dataset']}.",
        *([f"Terms that came with the dataset: {', '.join(notices)}."] if notices else []),
        _TERMS,
    ]
    return "\n".join(lines)


def _head(splits: Mapping[str, Any]) -> list[str]:
    files = [f"  - split: {re.sub('[^A-Za-z0-9_]', '_', n)}\n    path: {json.dumps(f'{n}/*.parquet')}" for n in splits]
    return ["---", "configs:", "- config_name: default", "  data_files:", *files, "---", ""]
