"""Shards: what is written is what is read, merged or not, in any process; and the same bytes every time."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import pickle
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import PIL.Image
import pytest
from PIL import Image

from pipeline.errors import DatasetError
from pipeline.files import atomic_write, sha256_of
from pipeline.preparing.k_map import k_codes, k_table
from pipeline.shards import (
    STORAGES,
    Dataset,
    FrameRow,
    Part,
    ShardReader,
    VideoEntry,
    dataset_digest,
    merge_shards,
    open_dataset,
    reader,
    write_shard,
    writer,
)
from pipeline.shards.schema import DESCRIBED


def rows(count: int, seed: int = 0) -> Iterator[FrameRow]:
    random = np.random.default_rng(seed)
    for number in range(count):
        landmarks = random.uniform(60, 160, (68, 2)).astype(np.float32)
        yield FrameRow(
            frames=random.integers(0, 255, (224, 224, 3), dtype=np.uint8),
            landmarks=landmarks,
            k_codes=k_codes(landmarks, 224),
            mouth_openness=float(random.uniform(0, 30)),
            frame_index=2 * number,
            pts_seconds=number / 25,
            crop_transform=random.uniform(0.1, 2, (2, 3)).astype(np.float32),
        )


def write(path: Path, count: int = 7, seed: int = 0, storage: str = "raw", name: str = "a b/é_1.mp4") -> Path:
    entry = VideoEntry(name, "Zoë", "ab" * 32, 29.97, 0, count, (4, 2, 0, 1, 3))
    write_shard(path, entry, rows(count, seed), k_table().levels, storage)
    return path


def test_sound_round_trip_and_merge(tmp_path: Path) -> None:
    """A video's samples come back from a merged shard; one without sound between them has none."""
    sounds = [np.arange(1000, dtype=np.int16), np.zeros(0, np.int16), np.arange(500, 0, -1, dtype=np.int16)]
    for number, sound in enumerate(sounds):
        entry = VideoEntry(f"{number}.mp4", "a", "ab" * 32, 25.0, 0, 5, (0, 1, 2, 3, 4))
        write_shard(tmp_path / f"{number}.h5", entry, rows(5, number), k_table().levels, audio=sound)
    merge_shards(tmp_path / "all.h5", [tmp_path / f"{number}.h5" for number in range(3)])
    with ShardReader(tmp_path / "all.h5") as reader:
        assert [(entry.first_sample, entry.sample_count) for entry in reader.entries] == [
            (0, 1000),
            (1000, 0),
            (1000, 500),
        ]
        for entry, sound in zip(reader.entries, sounds, strict=True):
            assert np.array_equal(reader.audio(entry.first_sample, entry.sample_count), sound)
    with ShardReader(write(tmp_path / "mute.h5")) as reader:
        assert reader.audio(0, 1) is None


@pytest.mark.parametrize("harm", ["range", "type", "filter", "column"])
def test_harmed_sound_is_refused(harm: str, tmp_path: Path) -> None:
    entry = VideoEntry("a.mp4", "a", "ab" * 32, 25.0, 0, 5, (0, 1, 2, 3, 4))
    path = tmp_path / "a.h5"
    write_shard(path, entry, rows(5), k_table().levels, audio=np.zeros(1000, np.int16))
    with h5py.File(path, "r+") as file:
        if harm == "range":
            file["videos/sample_count"][0] = 1001
        elif harm == "column":
            del file["videos/first_sample"]
        else:
            del file["audio"]
            how = {"compression": "gzip"} if harm == "filter" else {}
            file.create_dataset("audio", data=np.zeros(1000, np.int16 if harm == "filter" else np.float32), **how)
    with pytest.raises(DatasetError, match=r"a\.h5"), ShardReader(path) as reader:
        reader.entries  # noqa: B018 - reads them


LOSSLESS = [name for name in STORAGES if name != "jpeg"]


@pytest.mark.parametrize("chunk_rows", [3, 1024], ids=["two full chunks and a row", "part of one"])
@pytest.mark.parametrize("storage", LOSSLESS)
def test_round_trip(storage: str, chunk_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "SMALL_CHUNK_ROWS", chunk_rows)
    path = write(tmp_path / "x.h5", storage=storage)
    with ShardReader(path) as reader:
        assert len(reader) == 7
        assert reader.entries == [VideoEntry("a b/é_1.mp4", "Zoë", "ab" * 32, 29.97, 0, 7, (4, 2, 0, 1, 3))]
        for number, row in enumerate(rows(7)):
            for name, value in row._asdict().items():
                assert np.array_equal(
                    getattr(reader, name)([number])[0],
                    np.asarray(value, np.float32) if name == "mouth_openness" else value,
                )
        assert np.array_equal(reader.k_levels, k_table().levels)


def test_jpeg_loses_little_and_saves_much(tmp_path: Path) -> None:
    x, y = np.meshgrid(np.arange(224), np.arange(224))
    picture = np.stack([128 + 100 * np.sin(x / 20), 128 + 100 * np.cos(y / 15), (x + y) / 2], -1).astype(np.uint8)
    sizes = {}
    for storage in ("zstd", "jpeg"):
        path = tmp_path / f"{storage}.h5"
        entry = VideoEntry("a.mp4", "s", "ab" * 32, 25.0, 0, 7, (4, 2, 0, 1, 3))
        write_shard(path, entry, [row._replace(frames=picture) for row in rows(7)], k_table().levels, storage)
        sizes[storage] = path.stat().st_size
    with ShardReader(tmp_path / "jpeg.h5") as reader:
        frames = reader.frames([3, 0])
        assert np.array_equal(reader.k_codes([3])[0], [row.k_codes for row in rows(7)][3])
    for frame in frames:
        error = np.abs(frame.astype(float) - picture)
        assert error.mean() < 1
        assert error.max() < 8
    assert sizes["jpeg"] < sizes["zstd"] / 2
    with h5py.File(tmp_path / "jpeg.h5", "r") as file:
        assert file["frames"].shape == (7, 224, 224, 3)
        _, stream = file["frames"].id.read_direct_chunk((0, 0, 0, 0))
    by_pillow = np.asarray(Image.open(io.BytesIO(stream)).convert("RGB"))
    assert np.abs(by_pillow.astype(int) - frames[1]).max() <= 2


def test_a_chunk_that_is_no_jpeg_is_an_error_with_its_file(tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", storage="jpeg")
    with h5py.File(path, "r+") as file:
        file["frames"].id.write_direct_chunk((2, 0, 0, 0), b"not a picture")
    with ShardReader(path) as reader, pytest.raises(DatasetError, match=r"x\.h5: the shard is damaged \(row 2"):
        reader.frames([1, 2])


@pytest.mark.parametrize("harm", ["cut", "followed", "changed"])
def test_a_harmed_zstd_row_is_an_error_with_its_file(harm: str, tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", storage="zstd")
    with h5py.File(path, "r+") as file:
        sound = file["frames"].id.read_direct_chunk((2, 0, 0, 0))[1]
        # Its head of nine bytes stays, by which it still holds a row; behind it comes the first block's.
        harmed = {"cut": sound[:-1], "followed": sound + b"more", "changed": sound[:9] + b"\xff" * 3 + sound[12:]}
        file["frames"].id.write_direct_chunk((2, 0, 0, 0), harmed[harm])
    with ShardReader(path) as reader:
        assert reader.frames([1]).any()
        with pytest.raises(DatasetError, match=r"x\.h5: the shard is damaged \(a compressed row is damaged: .*\)"):
            reader.frames([1, 2])


def test_the_layout_is_readable_with_h5py_alone(tmp_path: Path) -> None:
    with h5py.File(write(tmp_path / "x.h5"), "r") as file:
        assert file["frames"].shape == (7, 224, 224, 3)
        assert file["frames"].chunks == (1, 224, 224, 3)
        assert file["k_codes"].dtype == np.uint8
        assert file["videos/id"].asstr()[0] == "a b/é_1.mp4"
        assert file["videos/bank"][:].tolist() == [[4, 2, 0, 1, 3]]
        assert file["videos/first_row"].dtype == np.int32


@pytest.mark.parametrize("storage", STORAGES)
def test_merged_shards_hold_every_video_with_its_bank_moved(storage: str, tmp_path: Path) -> None:
    parts = [write(tmp_path / f"{n}.h5", 6 + n, n, storage, f"{n}.mp4") for n in range(3)]
    merge_shards(tmp_path / "all.h5", parts)
    with ShardReader(tmp_path / "all.h5") as merged:
        assert [(e.id, e.first_row, e.row_count) for e in merged.entries] == [
            ("0.mp4", 0, 6),
            ("1.mp4", 6, 7),
            ("2.mp4", 13, 8),
        ]
        assert merged.entries[2].bank == (17, 15, 13, 14, 16)
        for part, entry in zip(parts, merged.entries, strict=True):
            with ShardReader(part) as single:
                ours, theirs = slice(entry.first_row, entry.first_row + entry.row_count), slice(None)
                for name in FrameRow._fields:
                    assert np.array_equal(getattr(merged, name)(ours), getattr(single, name)(theirs)), name


def test_single_videos_are_merged_out_of_shards_of_many(tmp_path: Path) -> None:
    """A shard is the same bytes whether its videos come from files of their own or out of others' shards."""
    parts = [write(tmp_path / f"{n}.h5", 6 + n, n, "zstd", f"{n}.mp4") for n in range(3)]
    merge_shards(tmp_path / "all.h5", parts)
    merge_shards(tmp_path / "straight.h5", [parts[2], parts[1]])
    speaker = ShardReader(parts[0]).entries[0].speaker
    both = [Part(tmp_path / "all.h5", "2.mp4", speaker), Part(parts[1], "1.mp4", speaker)]
    merge_shards(tmp_path / "again.h5", both)
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "straight.h5").read_bytes()
    merge_shards(tmp_path / "renamed.h5", [Part(tmp_path / "all.h5", "1.mp4", "somebody")])
    assert [entry.speaker for entry in ShardReader(tmp_path / "renamed.h5").entries] == ["somebody"]
    with pytest.raises(ValueError, match=r"0\.h5: holds no video 1\.mp4"):
        merge_shards(tmp_path / "none.h5", [Part(parts[0], "1.mp4", "s")])


@pytest.mark.parametrize("storage", ["zstd", "jpeg"])
def test_a_merged_shard_says_how_it_is_read(storage: str, tmp_path: Path) -> None:
    """What it says is true of it: read by h5py alone, with the axes that are named."""
    part = write(tmp_path / "0.h5", 6, storage=storage)
    merge_shards(tmp_path / "all.h5", [part])
    with h5py.File(tmp_path / "all.h5") as file, ShardReader(part) as ours:
        assert file.attrs["read_with"].startswith("import h5py, hdf5plugin")
        assert "videos/first_row" in file.attrs["layout"]
        names: list[str] = []
        file.visititems(lambda name, node: names.append(name) if isinstance(node, h5py.Dataset) else None)
        assert sorted(names) == sorted(DESCRIBED)
        for name in names:
            axes = re.sub(r" \([^)]*\)", "", file[name].attrs["axes"]).split(", ")
            assert len(axes) == file[name].ndim, name
            assert file[name].attrs["units"]
        k = file["k_levels"][:][file["k_codes"][3]]
        assert np.array_equal(k, ours.k_levels[ours.k_codes([3])[0]])
        if storage == "jpeg":
            code = file.attrs["read_with"].split("; but a row of frames is a JPEG file: ")[1]
            shown = np.asarray(eval(code, {"io": io, "PIL": PIL, "file": file, "row": 3}))
            assert np.abs(shown.astype(int) - ours.frames([3])[0]).max() <= 1
        else:
            assert np.array_equal(file["frames"][3], ours.frames([3])[0])


def test_shards_that_say_nothing_of_themselves_are_read_and_merged_as_ever(tmp_path: Path) -> None:
    """Those of earlier versions; what an attribute says is nowhere believed."""
    merge_shards(tmp_path / "new.h5", [write(tmp_path / "0.h5", 6, storage="zstd")])
    old = Path(shutil.copy(tmp_path / "new.h5", tmp_path / "old.h5"))
    with h5py.File(old, "r+") as file:
        for name in ("read_with", "layout"):
            del file.attrs[name]
        for name in DESCRIBED:
            del file[name].attrs["axes"], file[name].attrs["units"]
    with ShardReader(old) as before, ShardReader(tmp_path / "new.h5") as after:
        assert before.entries == after.entries
        for name in FrameRow._fields:
            assert np.array_equal(getattr(before, name)(slice(None)), getattr(after, name)(slice(None))), name
    merge_shards(tmp_path / "again.h5", [old])
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "new.h5").read_bytes()


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    once = [sha256_of(write(tmp_path / f"{n}.h5", storage="zstd")) for n in range(2)]
    assert once[0] == once[1]


def test_rows_may_come_in_any_order_and_repeat(tmp_path: Path) -> None:
    with ShardReader(write(tmp_path / "x.h5")) as reader:
        whole = reader.frames(slice(None))
        assert np.array_equal(reader.frames([6, 0, 6, 3]), whole[[6, 0, 6, 3]])
        assert reader.landmarks(np.array([5, 1])).shape == (2, 68, 2)
        with pytest.raises(IndexError, match=r"x\.h5: rows must be in \[0, 7\), got 0 to 7"):
            reader.frames([0, 7])


def test_too_few_or_many_rows_leave_no_file(tmp_path: Path) -> None:
    entry = VideoEntry("a", "s", "", 25.0, 0, 3, (0, 0, 0, 0, 0))
    for count in (2, 4):
        with pytest.raises(ValueError, match="rows"):
            write_shard(tmp_path / "x.h5", entry, rows(count), k_table().levels)
    assert list(tmp_path.iterdir()) == []


def _sum_in_child(reader: ShardReader, numbers: list[int]) -> int:
    return int(reader.frames(numbers).sum())


def test_a_reader_works_across_fork_and_pickle(tmp_path: Path) -> None:
    reader = ShardReader(write(tmp_path / "x.h5", storage="zstd"))
    expected = [int(reader.frames([n]).sum()) for n in range(7)]
    assert int(pickle.loads(pickle.dumps(reader)).frames([2]).sum()) == expected[2]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        got = pool.starmap(_sum_in_child, [(reader, [n]) for n in range(7)] * 3)
    assert got == expected * 3
    reader.close()


def test_a_shard_is_looked_at_again_only_when_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, looked = write(tmp_path / "a.h5"), []
    check = reader.check_shard
    monkeypatch.setattr(reader, "check_shard", lambda *of: looked.append(of) or check(*of))
    shard = ShardReader(path)
    for _ in range(3):
        assert len(shard) == 7
        shard.close()
    assert len(looked) == 1
    write(path, count=8)
    assert len(shard) == 8
    assert len(looked) == 2
    assert len(pickle.loads(pickle.dumps(shard))) == 8  # another process has seen nothing yet
    assert len(looked) == 3


def test_broken_missing_and_foreign_shards_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"gone\.h5: the shard is missing"):
        ShardReader(tmp_path / "gone.h5").frames([0])
    (tmp_path / "noise.h5").write_bytes(b"noise" * 100)
    with pytest.raises(DatasetError, match=r"noise\.h5: the shard is damaged"):
        ShardReader(tmp_path / "noise.h5").frames([0])
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs["schema"] = "another/9"
    with pytest.raises(DatasetError, match="schema must be flnet-shard/1, got another/9"):
        len(ShardReader(tmp_path / "other.h5"))


@pytest.mark.parametrize("name", ["frames", "k_codes", "landmarks", "crop_transform"])
@pytest.mark.parametrize("storage", ["raw", "zstd"])
def test_a_shard_cut_short_while_it_is_open_is_an_error_with_its_name(name: str, storage: str, tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", storage=storage)
    with ShardReader(path) as reader:
        getattr(reader, name)([0])
        os.truncate(path, 9000)
        with pytest.raises(DatasetError, match=r"x\.h5: the shard is damaged .*; delete it and run the build again"):
            getattr(reader, name)(slice(None))


def test_rows_of_several_chunks_come_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.shards.writer.SMALL_CHUNK_ROWS", 3)
    with ShardReader(write(tmp_path / "x.h5", count=8)) as reader:
        times = np.array([row.pts_seconds for row in rows(8)])
        for asked in ([0, 1, 2, 3, 4, 5, 6, 7], [2, 3], [5, 6, 4, 4, 5], [7, 6], [1], []):
            assert np.array_equal(reader.pts_seconds(asked), times[asked]), asked
        for part in (slice(None), slice(1, 7), slice(None, None, -2), slice(-3, None), slice(5, 2)):
            assert np.array_equal(reader.pts_seconds(part), times[part]), part
        for wrong in ([8], [-1, 0]):
            with pytest.raises(IndexError, match=r"rows must be in \[0, 8\)"):
                reader.pts_seconds(wrong)


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"chunks": (3, 224, 224, 3)},
        {"chunks": (1, 224, 224, 3), "compression": "gzip"},
        {"chunks": (1, 224, 224, 3), **hdf5plugin.Zstd(clevel=1)},
    ],
    ids=["contiguous", "three rows a chunk", "gzip", "zstd of HDF5"],
)
def test_a_shard_that_was_repacked_reads_the_same(layout: dict[str, object], tmp_path: Path) -> None:
    write(tmp_path / "x.h5")
    repacked(tmp_path, layout)
    with ShardReader(tmp_path / "x.h5") as ours, ShardReader(tmp_path / "y.h5") as theirs:
        for name in FrameRow._fields:
            assert np.array_equal(getattr(ours, name)([6, 0, 1]), getattr(theirs, name)([6, 0, 1])), name


@pytest.mark.parametrize("layout", [{"chunks": (2, 100, 224, 1)}, {"chunks": (2, 224, 224, 3), "compression": "gzip"}])
def test_rows_in_pieces_or_packed_together_are_refused(layout: dict[str, object], tmp_path: Path) -> None:
    write(tmp_path / "x.h5")
    with pytest.raises(
        DatasetError, match=r"y\.h5: frames must be in chunks of whole rows, of one row where compressed"
    ):
        len(ShardReader(repacked(tmp_path, layout)))


def repacked(folder: Path, layout: dict[str, object]) -> Path:
    """`x.h5` with its frames stored in another way, as `y.h5`."""
    with h5py.File(folder / "x.h5", "r") as source, h5py.File(folder / "y.h5", "w") as target:
        target.attrs.update(source.attrs)
        for name in source:
            if name != "frames":
                source.copy(name, target)
        target.create_dataset("frames", data=source["frames"][:], **layout)
    return folder / "y.h5"


def test_rows_that_were_never_written_name_the_file(tmp_path: Path) -> None:
    with h5py.File(write(tmp_path / "x.h5"), "r+") as file:
        del file["frames"]
        file.create_dataset("frames", (7, 224, 224, 3), np.uint8, chunks=(1, 224, 224, 3))
    with (
        ShardReader(tmp_path / "x.h5") as reader,
        pytest.raises(DatasetError, match=r"x\.h5: .*row 0 of 'frames' was never written"),
    ):
        reader.frames([1])


@pytest.mark.parametrize("storage", ["raw", "zstd"])
def test_rows_can_be_read_into_an_array_of_the_callers(storage: str, tmp_path: Path) -> None:
    with ShardReader(write(tmp_path / "x.h5", storage=storage)) as reader:
        out = np.zeros((5, 224, 224, 3), np.uint8)
        reader.frames([6, 0], out[1:3])
        assert np.array_equal(out[1:3], reader.frames([6, 0]))
        assert not out[[0, 3, 4]].any()
        for wrong in (out[:1], out[:2].astype(np.float32), out[:4:2], out[:2].transpose(0, 2, 1, 3)):
            with pytest.raises(ValueError, match=r"out must be \(2, 224, 224, 3\) uint8 in C order"):
                reader.frames([6, 0], wrong)


@pytest.mark.parametrize("storage", ["raw", "zstd"])
def test_threads_may_share_a_reader(storage: str, tmp_path: Path) -> None:
    with ShardReader(write(tmp_path / "x.h5", storage=storage)) as reader, ThreadPoolExecutor(4) as pool:
        whole = reader.frames(slice(None))
        for row, frame in enumerate(pool.map(lambda number: reader.frames([number % 7])[0], range(140))):
            assert np.array_equal(frame, whole[row % 7])


def test_atomic_write_leaves_nothing_after_a_failure(tmp_path: Path) -> None:
    def fail() -> None:
        with atomic_write(tmp_path / "sub" / "x") as temporary:
            temporary.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert list((tmp_path / "sub").iterdir()) == []
    with atomic_write(tmp_path / "sub" / "x") as temporary:
        temporary.write_text("whole")
    assert [path.read_text() for path in (tmp_path / "sub").iterdir()] == ["whole"]


def test_dataset_json_lists_videos_by_split(tmp_path: Path) -> None:
    write(tmp_path / "shards/train/x.h5")
    contents = {
        "schema": "flnet-dataset/1",
        "corpus": "timit",
        "digest": "d" * 64,
        "config": {},
        "splits": {"train": {}},
        "shards": [{"path": "shards/train/x.h5", "split": "train"}],
    }
    (tmp_path / "dataset.json").write_text(json.dumps(contents))
    dataset = open_dataset(tmp_path)
    (video,) = dataset.videos("train")
    assert (video.speaker, video.row_count, video.bank) == ("Zoë", 7, (4, 2, 0, 1, 3))
    with pytest.raises(DatasetError, match="no split 'test'; the dataset has train"):
        dataset.videos("test")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no finished dataset"),
        ("{", "not readable"),
        ('{"schema": "x"}', "schema must be"),
        ("[]", "schema must be"),
    ],
)
def test_what_is_no_dataset(text: str | None, message: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(DatasetError, match=message):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("corpus", "said", "meant"),
    [("timit", None, "other"), ("folder", None, "own"), ("table", "other", "other"), ("timit", "own", "own")],
)
def test_banks_come_from_where_the_dataset_says(corpus: str, said: str | None, meant: str, tmp_path: Path) -> None:
    """Datasets of earlier versions do not say."""
    contents = {"corpus": corpus, **({} if said is None else {"bank_from": said})}
    assert Dataset(tmp_path, contents).bank_from == meant
    with pytest.raises(DatasetError, match=r"dataset\.json: bank_from must be one of own, other, got 'both'"):
        _ = Dataset(tmp_path, {"corpus": corpus, "bank_from": "both"}).bank_from


def test_digest_depends_on_every_path_and_sum_but_not_on_their_order() -> None:
    first = dataset_digest({"a": "1", "b": "2"})
    assert first == dataset_digest({"b": "2", "a": "1"})
    assert first != dataset_digest({"a": "2", "b": "1"})
    assert first != dataset_digest({"a": "1"})
