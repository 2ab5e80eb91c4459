"""The check finds what is wrong, says where, and stays silent otherwise."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline import build
from pipeline.__main__ import main
from pipeline.check import check_dataset
from pipeline.chunk import build_chunk
from pipeline.corpora import scan_timit
from pipeline.errors import DatasetError
from pipeline.files import sha256_of
from pipeline.plan import make_plan
from pipeline.settings import Settings


@pytest.fixture(scope="module")
def clean(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("clean")
    plan = make_plan("timit", scan_timit(sample_root)[:2], Settings(storage="lz4"))
    for chunk in plan.chunks:
        build_chunk(out, sample_root, chunk, plan.settings, None)
    build.finish(out, sample_root, plan, max_failures=0)
    return out


@pytest.fixture
def dataset(clean: Path, tmp_path: Path) -> Path:
    return shutil.copytree(clean, tmp_path / "out")


def shard(out: Path) -> Path:
    return sorted((out / "shards").rglob("*.h5"))[0]


def change(out: Path, edit: Callable[[h5py.File], None], resign: bool = True) -> None:
    """Edit a shard; with `resign` also its checksum, so that only the content gives the edit away."""
    path = shard(out)
    with h5py.File(path, "r+") as file:
        edit(file)
    if resign:
        contents = json.loads((out / "dataset.json").read_text())
        (entry,) = [s for s in contents["shards"] if out / s["path"] == path]
        entry.update(sha256=sha256_of(path), bytes=path.stat().st_size)
        contents["contents_sha256"] = build.contents_digest(contents)
        (out / "dataset.json").write_text(json.dumps(contents))


def only_defect(out: Path) -> str:
    defects, _ = check_dataset(out)
    return "\n".join(map(str, defects))


def test_clean(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    defects, digest = check_dataset(dataset)
    assert defects == []
    assert main(["check", str(dataset)]) == 0
    assert capsys.readouterr().out.strip() == digest


def test_flipped_bytes_anywhere_are_found(dataset: Path) -> None:
    path = shard(dataset)
    whole = path.read_bytes()
    for place in np.random.default_rng(0).integers(0, len(whole), 8):
        broken = bytearray(whole)
        broken[place] ^= 0x40
        path.write_bytes(broken)
        assert str(path) in only_defect(dataset)
    path.write_bytes(whole)
    assert only_defect(dataset) == ""


def _set(name: str, value: object) -> Callable[[h5py.File], None]:
    def edit(file: h5py.File) -> None:
        file[name][0] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_set("k_codes", 0), "K of row 0 is not that of its landmarks"),
        (_set("mouth_openness", 500.0), "mouth_openness is not that of the landmarks"),
        (_set("videos/bank", [0, 0, 0, 0, 0]), "bank must be"),
        (_set("crop_transform", 0.123), "scale must be the same"),
        (_set("frame_index", 9999), "frame_index must rise"),
        (_set("landmarks", np.nan), "landmarks must be finite"),
        (_set("k_levels", 0.5), "k_levels are not those"),
        (_set("videos/first_row", 3), "rows must begin at 0"),
    ],
)
def test_content_that_contradicts_itself(edit: Callable[[h5py.File], None], message: str, dataset: Path) -> None:
    change(dataset, edit)
    assert message in only_defect(dataset)


def test_a_foreign_type_is_a_defect_not_a_crash(dataset: Path) -> None:
    def edit(file: h5py.File) -> None:
        del file["landmarks"]
        file["landmarks"] = np.zeros(3)

    change(dataset, edit)
    assert "landmarks must be float32 of shape" in only_defect(dataset)


def test_missing_and_extra_files(dataset: Path) -> None:
    shutil.copy(shard(dataset), shard(dataset).with_name("zzz.h5"))
    assert "zzz.h5: dataset.json does not list it" in only_defect(dataset)
    shard(dataset).unlink()
    assert "missing; run the build again" in only_defect(dataset)


def test_a_manifest_that_disagrees(dataset: Path) -> None:
    path = dataset / "manifest.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-1]) + "\n")
    assert "says shard and frames None" in only_defect(dataset)
    path.unlink()
    assert "the manifest is missing" in only_defect(dataset)


def test_no_dataset_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DatasetError):
        check_dataset(tmp_path)
    assert main(["check", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "no finished dataset here" in error
    assert error.count("\n") == 1
