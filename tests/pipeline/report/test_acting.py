"""What the page lets its reader do: choose what is to be left out, take the list along, build again without it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline import locks
from pipeline.building.chunk import build_chunk
from pipeline.building.plan import make_plan, save_plan
from pipeline.corpora import scan_timit
from pipeline.corpora.exclude import line_for, read_unwanted
from pipeline.errors import DatasetError
from pipeline.layout import lock_file, plan_file
from pipeline.manifest import read_rows
from pipeline.preparing.video import work_files
from pipeline.report import clips, write_report
from pipeline.report.gather import gather
from pipeline.report.unfinished import standing
from pipeline.result import failed, save_result
from pipeline.settings import Settings
from pipeline.shards import open_dataset
from tests.pipeline.report.browser import Browser
from tests.pipeline.report.maker import EVIL, NOT_UTF8, Maker, talking

ROOT = Path(__file__).resolve().parents[3]
PHONE = 390


def tick(browser: Browser, selector: str) -> None:
    """Click what a selector finds first, as a user does."""
    browser.run(f"document.querySelector({json.dumps(selector)}).click()")


def type_into(browser: Browser, selector: str, text: str) -> None:
    browser.run(
        f"(() => {{ const field = document.querySelector({json.dumps(selector)}); field.value = {json.dumps(text)};"
        "field.dispatchEvent(new Event('input', { bubbles: true })); })()"
    )


def download(browser: Browser, folder: Path) -> Path:
    """The list, as the browser writes it."""
    folder.mkdir(exist_ok=True)
    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    tick(browser, "#choice-download")
    path = folder / "exclude.txt"
    for _ in range(200):
        if path.is_file() and not list(folder.glob("*.crdownload")):
            return path
        browser.run("new Promise((done) => setTimeout(done, 25))")
    raise AssertionError("nothing was downloaded")


def place_of(browser: Browser, name: str) -> int:
    return int(browser.run(f"videos.id.indexOf({json.dumps(name)})"))


def told(browser: Browser) -> str:
    """What the bar at the bottom says; nothing while there is none."""
    return str(browser.run("byId('choice').hidden ? '' : byId('choice-count').textContent"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two speakers; two shaky clips of one; failures, names that are no UTF-8 or hold a line break among them."""
    maker = Maker(tmp_path_factory.mktemp("acting") / "out")
    for clip in range(3):
        maker.video(f"anna/{clip}.mp4", "anna", "train")
    maker.video("bob/0.mp4", "bob", "test")
    for clip in (1, 2):
        maker.video(f"bob/{clip}.mp4", "bob", "test", points=talking(40, 50 + clip, noise=3.0))
    maker.video("talk.mp4#t=1,2", "cy", "train")
    maker.failure(f"bob/{EVIL}", "unreadable: it is none", "bob", "test")
    maker.failure(NOT_UTF8, "unreadable: <i>no</i> moov atom", "bob", "test")
    maker.failure("bob/empty.mp4", "no_face: of 50 frames fewer than 5 are left", "bob", "test", frames_seen=50)
    root = maker.finish()
    contents = json.loads((root / "dataset.json").read_text())
    contents["left_aside"] = {"excluded": {"clips": ["anna/gone.mp4"], "frames_of": ["anna/0.mp4"]}}
    (root / "dataset.json").write_text(json.dumps(contents))
    (root / "run.toml").write_text(f'[build.folder]\nout = "{root}"\n')
    write_report(root, clips=3)
    return root


@pytest.fixture
def page(browser: Browser, made: Path) -> Browser:
    browser.open(made / "report" / "index.html")
    return browser


def test_a_video_is_chosen_anywhere_and_told_at_the_bottom(page: Browser) -> None:
    assert told(page) == ""
    tick(page, "#first-cards input")
    assert told(page) == "1 video chosen"
    assert page.run("document.querySelectorAll('#video-table input:checked').length") == 1
    tick(page, "#video-table input:checked")
    assert told(page) == ""
    assert page.complaints == []


def test_all_of_a_kind_are_chosen(page: Browser, tmp_path: Path) -> None:
    shaky = page.run("data.kinds.indexOf('shaky landmarks')")
    tick(page, f"#first-kinds [data-group='sign {shaky}']")
    assert told(page) == "2 videos chosen"
    tick(page, "[data-group='reason unreadable']")
    lines = download(page, tmp_path / "kinds").read_bytes().split(b"\n")
    # A name with a line break cannot be a line; one that is no UTF-8 can.
    assert lines[2:] == [b"bob/1.mp4", b"bob/2.mp4", os.fsencode(NOT_UTF8), b""]
    tick(page, "#choice-clear")
    page.run("document.getElementById('video-search').value = 'anna'")
    page.run("document.getElementById('video-filters').dispatchEvent(new Event('input'))")
    tick(page, ".choose-all [data-group=listed]")
    assert told(page) == "3 videos chosen"
    assert page.run("document.querySelector(`[data-place='${videos.id.indexOf('anna/1.mp4')}']`).checked")
    assert page.complaints == []


def test_a_name_that_no_line_can_hold_is_not_offered(page: Browser) -> None:
    place = place_of(page, f"bob/{EVIL}")
    box = f"document.querySelector(`[data-place='{place}']`)"
    assert page.run(f"{box}.disabled")
    assert "another one" in page.run(f"{box}.title")


def test_frames_of_a_video_are_chosen(page: Browser, tmp_path: Path) -> None:
    for name, frames, counted in (
        ("anna/1.mp4", "17 - 42, 99", "frames of 1 video chosen"),
        ("talk.mp4#t=1,2", "3", "frames of 2 videos chosen"),
        ("anna/2.mp4", "9-3", "frames of 2 videos chosen"),
        ("anna/2.mp4", "a", "frames of 2 videos chosen"),
    ):
        page.run(f"openEntry({place_of(page, name)})")
        type_into(page, "dialog [data-frames]", frames)
        assert told(page) == counted, frames
    assert page.run("document.querySelector('dialog [data-frames]').validity.customError")
    page.run("document.querySelector('dialog').close()")
    path = download(page, tmp_path / "frames")
    assert read_unwanted(path)[0] == {
        "anna/gone.mp4": None,
        "anna/1.mp4": ((17, 42), (99, 99)),
        "talk.mp4#t=1,2": ((3, 3),),
    }


def test_what_was_left_out_before_is_in_the_list_or_said_to_be_lost(page: Browser) -> None:
    tick(page, "#first-cards input")
    assert page.run("document.getElementById('choice-list').value").split("\n")[1] == "anna/gone.mp4"
    assert "Of 1 clip something was left out before" in page.run("document.getElementById('choice-lost').textContent")


def test_the_command_is_that_of_the_build_and_the_folder(page: Browser, made: Path, tmp_path: Path) -> None:
    command = page.run("document.getElementById('choice-command').textContent")
    run_file = str(made / "run.toml")
    assert shlex.split(command) == [
        *("flnet", "build", "folder", "--config", run_file, "--out", str(made), "--exclude", "exclude.txt")
    ]
    odd = tmp_path / "it's here; rm"
    shutil.copytree(made, odd)
    page.open(odd / "report" / "index.html")
    assert shlex.split(page.run("document.getElementById('choice-command').textContent"))[6] == str(odd)
    shutil.copy(made / "report" / "index.html", tmp_path / "mailed.html")
    page.open(tmp_path / "mailed.html")
    assert "--out OUT " in page.run("document.getElementById('choice-command').textContent")


def test_no_command_of_a_stranger_is_shown(made: Path, tmp_path: Path) -> None:
    root = shutil.copytree(made, tmp_path / "out")
    for text in ('["build.folder; rm -rf ~"]\n', "no toml", "[train]\n"):
        (root / "run.toml").write_text(text)
        page = write_report(root).read_text(encoding="utf-8")
        assert "rm -rf" not in page
        assert '"command":""' in page


def test_the_list_is_copied(page: Browser) -> None:
    tick(page, "#first-cards input")
    page.call("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    page.call("Emulation.setFocusEmulationEnabled", enabled=True)
    page.run("copyList()")
    assert page.run("document.getElementById('choice-count').textContent") == "Copied."
    assert page.run("navigator.clipboard.readText()") == page.run("listText()")


def test_where_copying_is_forbidden_the_list_is_selected(page: Browser) -> None:
    tick(page, "#first-cards input")
    page.run("navigator.clipboard.writeText = () => Promise.reject(new Error('no'))")
    page.run("copyList()")
    assert "selected" in page.run("document.getElementById('choice-count').textContent")
    assert page.run("document.getElementById('choice-more').open && document.activeElement.id") == "choice-list"


def test_a_clip_is_played(page: Browser) -> None:
    assert page.run("Object.keys(data.clips).length") == 3
    assert page.run("data.first.every((place) => place in data.clips)")
    place = int(page.run("Object.keys(data.clips)[0]"))
    page.run(f"openEntry({place})")
    if not page.run("document.createElement('video').canPlayType('video/mp4; codecs=\"avc1.42E01E\"')"):
        pytest.skip("this Chromium plays no H.264: apt-get install chromium")
    size = page.run(
        "(async () => { const player = document.querySelector('dialog video');"
        "if (player.readyState < 2) await new Promise((done, failed) => {"
        "player.addEventListener('loadeddata', done); player.addEventListener('error', failed); });"
        "return [player.videoWidth, player.videoHeight, player.duration > 1]; })()"
    )
    assert size == [224, 224, True]
    assert "frames 0 to 39" in page.run("document.querySelector('dialog .clip').innerText")
    assert page.complaints == []


@pytest.mark.parametrize("folded", [True, False])
def test_a_phone_has_a_short_page_and_never_scrolls_sideways(browser: Browser, made: Path, folded: bool) -> None:
    browser.open(made / "report" / "index.html", width=PHONE)
    if not folded:
        browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    tick(browser, "#video-table input")
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    assert browser.run("document.getElementById('choice').getBoundingClientRect().right <= innerWidth")
    assert browser.run("[...document.querySelectorAll('details[data-fold]')].some((one) => one.open)") != folded
    if folded:
        assert browser.run("document.documentElement.scrollHeight") < 6000
        tick(browser, "nav a[href='#speakers']")
        assert browser.run("document.getElementById('speakers').open")


def test_clips_are_small_whatever_they_show(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = gather(open_dataset(made)).entries
    place = [entry.id for entry in entries].index("anna/1.mp4")
    whole = clips.video_clips(entries, [place], progress=False)[place]
    assert (whole.first, whole.last) == (0, 39)
    assert whole.bytes <= clips.MOST_BYTES
    for most, frames in ((whole.bytes - 1, 40), (whole.bytes // 2, 40), (1, 1)):
        monkeypatch.setattr(clips, "MOST_BYTES", most)
        less = clips.video_clips(entries, [place], progress=False)[place]
        assert less.bytes <= most or frames == 1
        assert 1 <= less.last - less.first + 1 <= frames


def test_a_clip_shows_where_the_face_jumps(tmp_path: Path) -> None:
    points = talking(40, 7)
    points[30:] += 40
    maker = Maker(tmp_path)
    maker.video("jumps.mp4", points=points)
    (entry,) = gather(open_dataset(maker.finish())).entries
    assert entry.measures is not None
    assert entry.measures.largest_at == 30
    assert clips.window(entry.measures, 8) == range(26, 34)
    assert clips.window(entry.measures, 30) == range(10, 40)


def test_how_many_clips_there_are_is_said(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_report(made, clips=2)
    assert "note: 2 of 7 videos have a clip (" in capsys.readouterr().err
    write_report(made, clips=3)


@pytest.mark.parametrize(
    ("name", "stretches", "line"),
    [
        ("anna/1.mp4", (), "anna/1.mp4"),
        ("anna/1.mp4", ((17, 42), (99, 99)), "anna/1.mp4#frame=17-42,99"),
        ("talk.mp4#t=1,2", ((3, 3),), "talk.mp4#t=1,2&frame=3"),
        ("two\nlines.mp4", (), None),
        ("#comment.mp4", (), None),
        ("  ", (), None),
        ("a.mp4\r", (), None),
        ("a.mp4#frame=3", (), None),
    ],
)
def test_a_line_says_just_what_is_left_out(
    name: str, stretches: tuple[tuple[int, int], ...], line: str | None, tmp_path: Path
) -> None:
    assert line_for(name, stretches) == line
    if line is not None:
        (tmp_path / "list").write_text(f"{line}\n")
        assert read_unwanted(tmp_path / "list")[0] == {name: stretches or None}


def plan_of(sample_root: Path, out: Path) -> Any:
    plan = make_plan("timit", scan_timit(sample_root), Settings(storage="lz4"))
    save_plan(plan_file(out, plan.digest), plan)
    return plan


def test_a_build_under_way_has_a_page(sample_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert standing(tmp_path) is None
    with pytest.raises(DatasetError, match="no finished dataset here"):
        write_report(tmp_path)
    plan = plan_of(sample_root, tmp_path)
    build_chunk(tmp_path, sample_root, plan.chunks[0], plan.settings, None)
    waiting = next(video for video in plan.videos if video not in plan.chunks[0].videos)
    crashed = failed(waiting, "crashed", "<b>SIGSEGV</b>")
    save_result(work_files(tmp_path / "work", waiting, plan.settings).result, crashed)
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "no finished dataset yet: the page says how far its build is" in capsys.readouterr().err
    done = len(plan.chunks[0].videos) + 1
    assert f"The build was stopped: {done} of 6 videos are through." in page
    assert "&lt;b&gt;SIGSEGV" in page
    assert "<b>SIGSEGV" not in page
    assert "are tried again by themselves" in page
    assert locks.take(lock_file(tmp_path), shared=False, patience_seconds=1)
    try:
        assert f"A build is at work: {done} of 6 videos are through." in write_report(tmp_path).read_text()
    finally:
        os.close(locks.held.pop(lock_file(tmp_path).absolute()))
    for chunk in plan.chunks[1:]:
        build_chunk(tmp_path, sample_root, chunk, plan.settings, None)
    assert "Every video is through, but the build did not come to its end." in write_report(tmp_path).read_text()


def test_a_damaged_plan_is_named(sample_root: Path, tmp_path: Path) -> None:
    plan = plan_of(sample_root, tmp_path)
    plan_file(tmp_path, plan.digest).write_text("{}")
    with pytest.raises(DatasetError, match=f"{plan.digest}.json: cannot be read"):
        write_report(tmp_path)


def flnet(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "flnet.py"), *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def test_what_is_chosen_on_the_page_is_gone_after_the_build_that_it_names(
    browser: Browser, sample_root: Path, tmp_path: Path
) -> None:
    """A build fails, and its page helps to leave the culprit out; the page of the dataset does so with another one."""
    corpus, out = tmp_path / "corpus", tmp_path / "out"
    for number, clip in enumerate(sorted(sample_root.glob("volunteers/*/Clips/straightcam/*.mp4"))[:4]):
        (corpus / f"p{number // 2}").mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, corpus / f"p{number // 2}" / f"{number}.mp4")
    (corpus / "p0" / "no video.mp4").write_bytes(b"none at all")
    words = ["--corpus-root", str(corpus), "--out", str(out), "--workers", "1", "--storage", "lz4", "--min-seconds=0"]
    assert flnet("build", "folder", *words, cwd=tmp_path).returncode == 30
    assert flnet("report", str(out), cwd=tmp_path).returncode == 0
    browser.open(out / "report" / "index.html", width=PHONE)
    assert "The build failed: 1 of 5 videos gave nothing" in browser.run("document.body.innerText")
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    gone = ["p0/no video.mp4"]
    for name in (*gone, "p1/3.mp4"):
        tick(browser, f"[data-place='{place_of(browser, name)}']")
        path = download(browser, tmp_path / "list")
        _, *command = shlex.split(browser.run("document.getElementById('choice-command').textContent"))
        built = flnet(*command, cwd=path.parent)
        assert built.returncode == 0, built.stderr
        assert flnet("report", str(out), cwd=tmp_path).returncode == 0
        path.unlink()
        browser.open(out / "report" / "index.html")
        assert name not in browser.run("videos.id")
    assert browser.complaints == []
    assert [row["id"] for row in read_rows(out / "manifest.csv")] == ["p0/0.mp4", "p0/1.mp4", "p1/2.mp4"]
    aside = json.loads((out / "dataset.json").read_text())["left_aside"]
    assert aside["excluded"]["clips"] == ["p0/no video.mp4", "p1/3.mp4"]
