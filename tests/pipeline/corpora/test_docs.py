"""docs/corpora.md: its tables and its class, run on imitations of the corpora."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.corpora import Inventory, scan_table

REPOSITORY = Path(__file__).resolve().parents[3]
PAGE = (REPOSITORY / "docs/corpora.md").read_text(encoding="utf-8")
Touch = Callable[..., Path]
Splits = dict[str, str]


def code_of(section: str) -> str:
    """The Python of a section of the page."""
    found = re.search(rf"^##+ {re.escape(section)}.*?```python\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def tabled(touch: Touch) -> Callable[..., Inventory]:
    """tabled(section, *file names, text={name: content}) -> the inventory of the table that the section writes."""

    def make(section: str, *names: str, text: dict[str, str] | None = None) -> Inventory:
        root = touch(*names, *(text or {}))
        for name, content in (text or {}).items():
            (root / name).write_text(content)
        subprocess.run([sys.executable, "-W", "ignore", "-c", code_of(section)], cwd=root, check=True, timeout=60)
        return scan_table(root / "clips.csv", root)

    return make


def splits(found: Inventory) -> Splits:
    """Each speaker's split; nobody is in two."""
    by_speaker: Splits = {}
    for source in found:
        assert by_speaker.setdefault(source.speaker, source.split) == source.split
    return by_speaker


def test_every_corpus_has_its_lines() -> None:
    sections = re.findall(r"^### (.*)$", PAGE, re.MULTILINE)
    assert sections == [
        "HDTF", "CelebV-HQ", "TalkingHead-1KH", "LRS2", "LRS3", "VoxCeleb2", "MEAD", "CREMA-D", "RAVDESS", "VFHQ"
    ]  # fmt: skip
    assert all(len(code_of(section).splitlines()) <= 15 for section in sections)


def test_hdtf(tabled: Callable[..., Inventory]) -> None:
    found = tabled(
        "HDTF",
        "videos/WDA_BarackObama_000.mp4",
        "videos/WDA_BarackObama_001.mp4",
        "videos/RD_Radio11.mp4",
        text={
            "HDTF_dataset/WDA_annotion_time.txt": "BarackObama_000.mp4 00:30-01:00 01:30-02:30\n"
            "BarackObama_001.mp4 1:00:05-1:00:09\n",
            "HDTF_dataset/WDA_crop_wh.txt": "BarackObama_000_0.mp4 10 500 20 500\n"
            "BarackObama_000_1.mp4 11 500 20 500\nBarackObama_001_0.mp4 1 300 2 300\n",
            "HDTF_dataset/RD_annotion_time.txt": "Radio11.mp4 00:01-00:02.5\n",
            "HDTF_dataset/RD_crop_wh.txt": "Radio11_0.mp4 100 512 50 512\n",
        },
    )
    assert [source.id for source in found] == [
        "videos/RD_Radio11.mp4#t=1,2.5&box=100,50,612,562",
        "videos/WDA_BarackObama_000.mp4#t=30,60&box=10,20,510,520",
        "videos/WDA_BarackObama_000.mp4#t=90,150&box=11,20,511,520",
        "videos/WDA_BarackObama_001.mp4#t=3605,3609&box=1,2,301,302",
    ]
    assert set(splits(found)) == {"Radio11", "BarackObama"}


def test_celebv_hq(tabled: Callable[..., Inventory]) -> None:
    def clip(video: str, start: float) -> dict[str, object]:
        box = {"top": 0.1, "bottom": 0.9, "left": 0.25, "right": 0.75}
        return {"ytb_id": video, "duration": {"start_sec": start, "end_sec": start + 3.5}, "bbox": box}

    clips = {"M2Ohb0FAaJU_1": clip("M2Ohb0FAaJU", 81.62), "M2Ohb0FAaJU_2": clip("M2Ohb0FAaJU", 90), "x_1": clip("x", 0)}
    text = {"celebvhq_info.json": json.dumps({"meta_info": {}, "clips": clips})}
    found = tabled("CelebV-HQ", "raw/M2Ohb0FAaJU.mp4", "raw/x.mp4", text=text)
    assert found[0].id == "raw/M2Ohb0FAaJU.mp4#t=81.62,85.12&box=0.25,0.1,0.75,0.9"
    assert (len(found), set(splits(found))) == (3, {"M2Ohb0FAaJU", "x"})


def test_talkinghead_1kh(tabled: Callable[..., Inventory]) -> None:
    cut = "_S0_E116_L604_T0_R1200_B596.mp4"
    names = [f"train/cropped_clips/--Y9imYnfBw_{n:04}{cut}" for n in range(2)] + [
        f"val/cropped_clips/6h0FTtQLSsA_0001{cut}"
    ]
    assert splits(tabled("TalkingHead-1KH", *names)) == {"--Y9imYnfBw": "train", "6h0FTtQLSsA": "test"}


def test_lrs2(tabled: Callable[..., Inventory]) -> None:
    lists = {
        "train.txt": "111/00001\n111/00002\n",
        "pretrain.txt": "111/00009\n222/00001\n",
        "val.txt": "333/00001\n",
        "test.txt": "444/00001 NF\n444/00002 MV\n",
    }
    names = [f"mvlrs_v1/main/{n}.mp4" for n in ("111/00001", "111/00002", "333/00001", "444/00001", "444/00002")]
    found = tabled("LRS2", *names, "mvlrs_v1/pretrain/111/00009.mp4", "mvlrs_v1/pretrain/222/00001.mp4", text=lists)
    assert splits(found) == {"111": "train", "222": "train", "333": "val", "444": "test"}
    assert (len(found), found.warnings) == (7, [])


def test_lrs3(tabled: Callable[..., Inventory]) -> None:
    names = [
        "pretrain/a/00001.mp4",
        "trainval/a/50001.mp4",
        "trainval/b/50001.mp4",
        "test/c/00001.mp4",
        "test/c/00001.txt",
    ]
    assert splits(tabled("LRS3", *names)) == {"a": "train", "b": "train", "c": "test"}


def test_voxceleb2(tabled: Callable[..., Inventory]) -> None:
    names = [
        f"dev/mp4/{who}/{video}/0000{n}.mp4" for who, video in (("id00012", "21U"), ("id00015", "0fi")) for n in (1, 2)
    ]
    found = tabled("VoxCeleb2", *names, "test/mp4/id00017/x/00001.mp4", "dev/aac/id00012/21U/00001.m4a")
    assert splits(found) == {"id00012": "train", "id00015": "train", "id00017": "test"}


def test_mead(tabled: Callable[..., Inventory]) -> None:
    views = ("front", "left_30")
    names = [f"{who}/video/{view}/{feeling}/level_{n}/001.mp4" for who in ("M003", "W009", "W011") for view in views
             for feeling, n in (("angry", 1), ("angry", 3), ("neutral", 1))]  # fmt: skip
    found = tabled("MEAD", *names, "M003/audio/angry/level_1/001.m4a")
    assert (len(found), set(splits(found))) == (9, {"M003", "W009", "W011"})
    assert all("/front/" in source.id for source in found)


def test_crema_d(tabled: Callable[..., Inventory]) -> None:
    names = [f"VideoFlash/{actor}_{text}_ANG_XX.flv" for actor in range(1001, 1009) for text in ("DFA", "IEO", "MTI")]
    found = tabled("CREMA-D", *names, "AudioWAV/1001_DFA_ANG_XX.wav")
    assert (len(found), len(splits(found))) == (24, 8)
    assert sorted(splits(found).values()).count("test") == 2


def test_ravdess(tabled: Callable[..., Inventory]) -> None:
    names = [f"Video_{kind}_Actor_{n:02}/Actor_{n:02}/{sound}-{place}-06-01-02-01-{n:02}.mp4" for n in range(1, 5)
             for kind, place in (("Speech", "01"), ("Song", "02")) for sound in ("01", "02")]  # fmt: skip
    found = tabled("RAVDESS", *names)
    assert (len(found), set(splits(found))) == (8, {f"Actor_{n:02}" for n in range(1, 5)})


def test_vfhq(tabled: Callable[..., Inventory]) -> None:
    clips = [
        "train/Clip+-2l7q0WxrdE+P0+C0+F1-99",
        "train/Clip+-2l7q0WxrdE+P1+C0+F1-99",
        "test/Clip+abc+P0+C1+F4640-4764",
    ]
    found = tabled("VFHQ", *(f"{clip}/{n:08}.png" for clip in clips for n in range(3)))
    assert splits(found) == {"-2l7q0WxrdE+P0": "train", "-2l7q0WxrdE+P1": "train", "abc+P0": "test"}
    assert {source.clip.fps for source in found if source.clip} == {25.0}


def test_the_class_of_eleven_lines(sample_root: Path, tmp_path: Path) -> None:
    code = code_of("A corpus of your own")
    assert len([line for line in code.splitlines() if line.strip()]) <= 11
    (tmp_path / "interviews.py").write_text(code, encoding="utf-8")
    clips = sorted((sample_root / "volunteers").rglob("*.mp4"))
    (tmp_path / "interviews").mkdir()
    for name, clip in zip(("anna_2023", "anna_2022", "ben_2024"), clips, strict=False):
        shutil.copy(clip, tmp_path / "interviews" / f"{name}.mp4")
    command = [str(Path(sys.executable).with_name("luigi")), "--module", "interviews", "BuildInterviews"]
    command += ["--corpus-root", "interviews", "--out", "out", "--workers", "1", "--storage", "lz4"]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{REPOSITORY}"}
    told = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert told.returncode == 0, told.stderr
    contents = json.loads((tmp_path / "out/dataset.json").read_text())
    assert contents["splits"]["train"]["speakers"] == contents["splits"]["test"]["speakers"] == 1
    assert (contents["counts"]["videos_ok"], contents["bank_from"]) == (3, "own")
