"""The check finds what is wrong, says where, and stays silent otherwise."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pipeline import check
from pipeline.__main__ import main
from pipeline.building import finish
from pipeline.building.chunk import build_chunk
from pipeline.building.plan import make_plan
from pipeline.building.record import chunk_done
from pipeline.check import check_dataset
from pipeline.corpora import scan_timit
from pipeline.errors import DatasetError
from pipeline.files import sha256_of
from pipeline.settings import Settings
from pipeline.shards.dataset import contents_digest, open_dataset


@pytest.fixture(scope="module")
def clean(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("clean")
    plan = make_plan("timit", scan_timit(sample_root)[:2], Settings(storage="lz4"))
    for chunk in plan.chunks:
        build_chunk(out, sample_root, chunk, plan.settings, None)
    finish.finish(out, sample_root, plan, max_failures=0)
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
        contents["contents_sha256"] = contents_digest(contents)
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


@pytest.mark.parametrize("name", ["dataset.json", "manifest.csv"])
def test_a_table_with_any_byte_changed_is_found(name: str, dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = dataset / name
    whole = path.read_bytes()
    dice = np.random.default_rng(0)
    for number in range(60):
        broken = bytearray(whole)
        place = int(dice.integers(0, len(whole)))
        if number % 3 == 0:
            broken[place] ^= int(dice.integers(1, 256))
        elif number % 3 == 1:
            del broken[place:]
        else:
            broken[place:place] = dice.bytes(int(dice.integers(1, 9)))
        path.write_bytes(broken)
        assert main(["check", str(dataset)]) == 1
        said = capsys.readouterr()
        assert name in said.out + said.err
        assert "Traceback" not in said.err
    path.write_bytes(b"[" * 200_000)  # deeper than any parser goes
    assert main(["check", str(dataset)]) == 1


def test_a_table_that_points_elsewhere_is_not_followed(dataset: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious.h5"
    precious.touch()
    contents = json.loads((dataset / "dataset.json").read_text())
    contents["shards"][0]["path"] = "shards/../../precious.h5"
    contents["contents_sha256"] = contents_digest(contents)
    (dataset / "dataset.json").write_text(json.dumps(contents))
    with pytest.raises(DatasetError, match=r"shards\[0\]\.path must be shards/<split>/<name>\.h5"):
        check_dataset(dataset)
    assert main(["check", "--repair", str(dataset)]) == 1
    assert precious.is_file()


def test_repair_leaves_what_is_sound_and_the_build_makes_the_rest(
    dataset: Path, sample_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, digest = check_dataset(dataset)
    plan = make_plan("timit", scan_timit(sample_root)[:2], Settings(storage="lz4"))
    broken, sound = sorted((dataset / "shards").rglob("*.h5"))
    with broken.open("r+b") as file:
        file.seek(5000)
        file.write(b"?")
    (dataset / "manifest.csv").unlink()
    ours = broken.with_name("train-0007-0123456789ab.h5")
    ours.touch()
    stranger = broken.with_name("NOTES.md")
    stranger.touch()
    before = sound.stat().st_mtime_ns
    assert main(["check", "--repair", str(dataset)]) == 1
    moved = dataset / "work/removed" / broken.relative_to(dataset)
    said = capsys.readouterr().out
    assert f"{broken}: moved to {moved}" in said
    assert f"{stranger}: dataset.json does not list it; no build made it: move it elsewhere" in said
    assert moved.stat().st_size > 5000
    assert not broken.exists()
    assert not ours.exists()
    assert stranger.exists()
    stranger.unlink()
    assert not finish.dataset_done(dataset, plan)
    assert [chunk_done(dataset, chunk) for chunk in plan.chunks].count(False) == 1
    for chunk in plan.chunks:
        if not chunk_done(dataset, chunk):
            build_chunk(dataset, sample_root, chunk, plan.settings, None)
    finish.finish(dataset, sample_root, plan, max_failures=0)
    assert check_dataset(dataset) == ([], digest)
    assert sound.stat().st_mtime_ns == before


def test_a_terabyte_of_nothing_is_not_summed(dataset: Path) -> None:
    os.truncate(shard(dataset), 1 << 40)
    assert f"has {1 << 40} bytes" in only_defect(dataset)


@pytest.mark.parametrize("name", ["dataset.json", "manifest.csv"])
def test_a_table_behind_a_link_is_anothers(
    name: str, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (dataset / name).rename(tmp_path / name)
    (dataset / name).symlink_to(tmp_path / name)
    for command in (["check"], ["report"]):
        assert main([*command, str(dataset)]) == 1
        said = capsys.readouterr()
        assert f"{name}: must be a regular file, got a link" in said.out + said.err


def test_repair_follows_no_link(dataset: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (dataset / "shards/train").rename(elsewhere)
    (dataset / "shards/train").symlink_to(elsewhere)
    files = sorted(elsewhere.iterdir())
    files[0].write_bytes(b"damaged")
    assert main(["check", "--repair", str(dataset)]) == 1
    assert sorted(elsewhere.iterdir()) == files
    (dataset / "shards").rename(tmp_path / "shards")
    (dataset / "shards").symlink_to(tmp_path / "shards")
    assert main(["check", "--repair", str(dataset)]) == 1
    assert sorted(elsewhere.iterdir()) == files


def test_what_is_the_machines_fault_condemns_no_file(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As when memory is too short for a plugin of HDF5's: nothing can be read, though every checksum is right."""
    before = sorted(path for path in dataset.rglob("*") if path.is_file())

    def fail(*_: object) -> None:
        raise OSError("filter plugin cannot be loaded")

    monkeypatch.setattr("pipeline.shards.column.Column._read_streams", fail)
    assert main(["check", "--repair", str(dataset)]) == 1
    said = capsys.readouterr().err.strip()
    assert "its SHA-256 is right, yet it cannot be read" in said.splitlines()[-1]
    assert sorted(path for path in dataset.rglob("*") if path.is_file()) == before


def test_repair_takes_an_unreadable_table_away(dataset: Path) -> None:
    (dataset / "dataset.json").write_text("{")
    assert main(["check", str(dataset)]) == 1
    assert (dataset / "dataset.json").exists()
    assert main(["check", "--repair", str(dataset)]) == 1
    assert not (dataset / "dataset.json").exists()
    assert (dataset / "work/removed/dataset.json").exists()
    assert sorted(path.suffix for path in dataset.iterdir() if path.is_file()) == [".csv"]


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
        (_set("videos/first_row", 3), "its rows must lie within the shard's"),
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
    assert only_defect(dataset) == f"{path}: is not what the build wrote; delete it and run the build again"
    contents = json.loads((dataset / "dataset.json").read_text())
    contents["manifest_sha256"] = sha256_of(path)
    contents["contents_sha256"] = contents_digest(contents)
    (dataset / "dataset.json").write_text(json.dumps(contents))
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


def spoil(path: Path) -> None:
    """Change a byte, and neither length nor name."""
    with path.open("r+b") as file:
        file.seek(5000)
        file.write(b"?")


def listed(out: Path) -> list[Path]:
    return [out / shard["path"] for shard in json.loads((out / "dataset.json").read_text())["shards"]]


def test_the_same_defects_in_the_same_order_however_many_processes(dataset: Path) -> None:
    first, second = listed(dataset)
    change(dataset, _set("k_codes", 0))
    spoil(second)
    found = [check_dataset(dataset, jobs=jobs) for jobs in (1, 3)]
    assert found[0] == found[1]
    assert [defect.file for defect in found[0][0]] == [first, second]


def test_a_process_that_falls_over_a_shard_is_followed_by_another(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = listed(dataset)
    spoil(second)
    whole = check._content

    def falls_over(path: Path, *more: Any) -> Any:
        if path == first:
            os._exit(7)
        return whole(path, *more)

    monkeypatch.setattr(check, "_content", falls_over)
    told = only_defect(dataset).splitlines()
    assert told[0].startswith(f"{first}: it crashes what reads it (the process ended with status 7")
    assert told[1].startswith(f"{second}: its SHA-256 is not that of dataset.json")


def test_a_sample_says_that_it_is_one(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (chosen,) = check.Sample(count=1).choose(open_dataset(dataset))
    read = dataset / chosen
    (other,) = set(listed(dataset)) - {read}
    whole = other.read_bytes()
    spoil(other)
    assert main(["check", str(dataset), "--sample", "1", "--repair"]) == 3
    said = capsys.readouterr()
    assert said.out == f"{dataset}: no defect in the sample; the other shards were not read\n"
    assert "a sample: 1 of 2 shards are read" in said.err
    assert other.is_file()
    other.unlink()
    assert main(["check", str(dataset), "--sample", "50%"]) == 1  # that it is missing, shows
    other.write_bytes(whole)
    spoil(read)
    assert main(["check", str(dataset), "--sample", "50%"]) == 1
    said = capsys.readouterr()
    assert f"{read}: its SHA-256 is not that of dataset.json" in said.out
    assert "1 defects in a sample" in said.err


def test_a_sample_of_all_is_the_whole(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(dataset), "--sample", "100%"]) == 0
    assert capsys.readouterr().out.strip() == open_dataset(dataset).digest


@pytest.mark.parametrize("text", ["0", "-3", "0%", "101%", "nan%", "some", "%", ""])
def test_no_sample_at_all_is_refused(text: str, dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(dataset), f"--sample={text}"]) == 1
    assert "--sample must be a number of shards, or a percentage such as 5%" in capsys.readouterr().err
