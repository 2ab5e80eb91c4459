"""The same bytes on every processor: what decides uses nothing that is chosen at run time, and a clip proves it."""

from __future__ import annotations

import ast
import math
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipeline.arithmetic import exp, ordered_sum, power

PIPELINE = Path(__file__).parents[2] / "pipeline"
DECIDES = [
    *(PIPELINE / room for room in ("tracking", "preparing", "decode")),
    PIPELINE / "geometry.py",
    PIPELINE / "arithmetic.py",
    PIPELINE / "track.py",
]
# Whose last bits differ between processors: BLAS, sums in pairs or lanes, functions of numpy, OpenCV and libm.
OPEN = {
    "np": {
        "dot",
        "vdot",
        "inner",
        "matmul",
        "einsum",
        "tensordot",
        "linalg",
        "mean",
        "std",
        "var",
        "average",
        "sum",
        "nansum",
    }
    | {
        "exp",
        "exp2",
        "log",
        "log2",
        "power",
        "float_power",
        "cbrt",
        "hypot",
        "sin",
        "cos",
        "tan",
        "arctan2",
        "convolve",
        "polyfit",
    },
    "math": {"exp", "log", "log2", "pow", "sin", "cos", "tan", "atan2", "hypot", "dist", "sumprod"},
    "cv2": {
        "GaussianBlur",
        "blur",
        "filter2D",
        "warpAffine",
        "remap",
        "INTER_LINEAR",
        "INTER_CUBIC",
        "cvtColor",
        "solve",
    },
}
METHODS = {"dot", "mean", "std", "var", "sum"}
ALLOWED = {
    ("decode/hdr.py", "np.exp"): "tables on a grid a thousand million times coarser than what libraries differ by",
    ("decode/hdr.py", "**"): "the same tables",
    **dict.fromkeys(
        [("preparing/scores.py", use) for use in ("np.average", "np.arctan2", "np.std")],
        "scores are rounded to 0.01, a million times coarser than what libraries differ by, and are in no shard",
    ),
    ("preparing/scores.py", "cv2.cvtColor"): "bytes to luma, in whole numbers",
}


def test_nothing_that_decides_uses_arithmetic_chosen_at_run_time() -> None:
    files = [file for place in DECIDES for file in ([place] if place.suffix else sorted(place.glob("*.py")))]
    assert len(files) > 30
    found = {(file.relative_to(PIPELINE).as_posix(), use) for file in files for use in open_uses(file.read_text())}
    assert found == set(ALLOWED), "use pipeline.arithmetic, or say in ALLOWED why it does no harm"


@pytest.mark.parametrize(
    ("code", "use"),
    [
        ("a @ b", "@"),
        ("a **= b", "**"),
        ("np.exp(a)", "np.exp"),
        ("np.linalg.norm(a)", "np.linalg"),
        ("a.mean()", ".mean"),
        ("a.sum()", ".sum"),
        ("math.hypot(a, b)", "math.hypot"),
        ("from math import log", "math.log"),
        ("cv2.resize(a, b, interpolation=cv2.INTER_LINEAR)", "cv2.INTER_LINEAR"),
    ],
)
def test_the_guard_sees_each_kind(code: str, use: str) -> None:
    assert open_uses(code) == {use}


def open_uses(code: str) -> set[str]:
    """What a module uses of all that processors round differently; sums of whole numbers are none of it."""
    nodes = list(ast.walk(ast.parse(code)))
    whole = {id(node.args[0]) for node in nodes if isinstance(node, ast.Call) and _is_named(node.func, "int")}
    found = set()
    for node in nodes:
        match node:
            case ast.BinOp(op=ast.MatMult()) | ast.AugAssign(op=ast.MatMult()):
                found.add("@")
            case ast.BinOp(op=ast.Pow(), left=ast.Constant(), right=ast.Constant() | ast.Name()):
                pass  # of whole numbers
            case ast.BinOp(op=ast.Pow()) | ast.AugAssign(op=ast.Pow()):
                found.add("**")
            case ast.Attribute(value=ast.Name(id=module), attr=name) if name in OPEN.get(module, ()):
                found.add(f"{module}.{name}")
            case ast.ImportFrom(module=str(module), names=names) if module in OPEN:
                found |= {f"{module}.{name.name}" for name in names if name.name in OPEN[module]}
            case ast.Call(func=ast.Attribute(value=value, attr=name), keywords=keywords) if name in METHODS:
                typed = id(node) in whole or any(keyword.arg == "dtype" for keyword in keywords)
                if not (name == "sum" and typed) and not any(_is_named(value, module) for module in OPEN):
                    found.add(f".{name}")
    return found


def _is_named(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def test_sums_are_taken_in_order() -> None:
    values = np.random.default_rng(0).normal(0, 1e3, (5, 1001))
    for row, total in zip(values, ordered_sum(values), strict=True):
        expected = 0.0
        for value in row.tolist():
            expected += value
        assert total == expected


def test_powers_are_rounded_correctly() -> None:
    # Exact arithmetic says which float64 is nearest; no library is asked.
    for base, exponent in ((0.95, 7), (0.3, 11), (1.1, 30)):
        exact = Fraction(base) ** exponent
        nearest = power(base, [exponent])[0]
        around = (math.nextafter(nearest, 0), nearest, math.nextafter(nearest, 2 * nearest))
        assert min(around, key=lambda value: abs(Fraction(value) - exact)) == nearest
    assert power(0.95, [0.0])[0] == 1
    np.testing.assert_allclose(exp([-2.0, 0.0, 0.5]), np.exp([-2.0, 0.0, 0.5]), rtol=1e-15)


PROCESSORS = {
    "as it comes": {},
    "an older one": {
        "OPENBLAS_CORETYPE": "Prescott",
        "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR AVX2 FMA3",
        "OPENCV_CPU_DISABLE": "AVX512_SKX,AVX2,FP16,AVX,SSE4.2,SSE4.1",
    },
    "another one, two threads": {"OPENBLAS_CORETYPE": "Zen", "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
}
PREPARE = """
import hashlib, sys
from pathlib import Path
from pipeline.corpora import Source
from pipeline.preparing.video import prepare_video, work_files
from pipeline.settings import Settings

root, work, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
source, settings = Source(name, "one", "train"), Settings(storage="raw")
result = prepare_video(root, source, settings, work, None)
assert result.status == "ok", result.error
print(hashlib.sha256(work_files(work, source, settings).shard.read_bytes()).hexdigest())
"""


def test_a_clip_gives_the_same_bytes_on_other_processors(sample_root: Path, tmp_path: Path) -> None:
    clip = sorted((sample_root / "volunteers").rglob("*.mp4"))[0].relative_to(sample_root).as_posix()
    digests = {}
    for number, (name, variables) in enumerate(PROCESSORS.items()):
        command = [sys.executable, "-c", PREPARE, str(sample_root), str(tmp_path / str(number)), clip]
        done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        digests[name] = done.stdout.strip()
    assert len(set(digests.values())) == 1, digests
