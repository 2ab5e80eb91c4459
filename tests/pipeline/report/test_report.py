"""The report: its figures by hand, its page as plain HTML, and the same page in a real browser where there is one."""

from __future__ import annotations

import base64
import io
import json
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline.__main__ import main
from pipeline.decode import read_frames
from pipeline.errors import DatasetError
from pipeline.files import sha256_of
from pipeline.preparing.scores import sharpness
from pipeline.report import measures, write_report
from pipeline.report.drops import drop_examples
from pipeline.report.gather import gather
from pipeline.report.plots import Plot, Point, figure, outliers
from pipeline.report.rows import choose_pictured, page_data, script_json
from pipeline.report.suspicion import find_signs
from pipeline.settings import Settings
from pipeline.shards import open_dataset
from pipeline.track import CORRUPT, Track, load_track, save_track
from tests.pipeline.report.browser import Browser
from tests.pipeline.report.maker import EVIL, FRAMES, NOT_UTF8, SKINS, Maker, face, picture, talking, track_file

from ..conftest import MakeVideo


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, make_video: MakeVideo) -> Path:
    """Two speakers; failures; a video of which frames of each kind were dropped, with its source and track."""
    maker = Maker(tmp_path_factory.mktemp("report") / "out")
    for clip in range(3):
        maker.video(f"anna/clip {clip}.mp4", "anna", "train")
        maker.video(f"bob/{clip}.mp4", "bob", "test")
    maker.video(EVIL, "<b>cy</b>", "train")
    maker.failure(f"bob/{EVIL}", "too_small: in every frame", "bob", "test")
    maker.failure(NOT_UTF8, "unreadable: <i>no</i> moov atom", "bob", "test")
    maker.failure(
        "bob/empty.mp4",
        "no_face: of 50 frames fewer than 5 are left",
        "bob",
        "test",
        drops={"no_face": 50},
        frames_seen=50,
    )
    source = make_video("lossy.mp4", source="testsrc2=size=320x240:rate=25:duration=1")
    (maker.root / "corpus" / "anna").mkdir(parents=True)
    shutil.copy(source, maker.root / "corpus" / "anna" / "lossy.mp4")
    landmarks = talking(25, 77) / 4 + 100
    landmarks[3:6] = np.nan
    landmarks[8:10] = landmarks[8:10] / 2
    landmarks[12:15] += 150
    score = np.where(np.isnan(landmarks[:, 0, 0]), np.nan, 0.1).astype(np.float32)
    index = np.arange(25, dtype=np.int32)
    damage, person = np.zeros(25, np.int8), np.where(np.isnan(score), -1, 0).astype(np.int32)
    damage[17], person[20:22] = CORRUPT, 1
    track = Track(
        fps=25.0,
        jumps=(),
        notes=(),
        warnings=(),
        frame_index=index,
        pts_seconds=index / 25,
        sizes=np.tile(np.array([320, 240], np.int32), (25, 1)),
        damage=damage,
        landmarks=landmarks.astype(np.float32),
        score=score,
        faces=np.ones(25, np.int32),
        person=person,
    )
    config = replace(Settings(), min_face_px=20.0)
    drops = {"no_face": 3, "too_small": 2, "out_of_frame": 3, "other_person": 2, "corrupt": 1}
    kept = np.setdiff1d(np.arange(25), [3, 4, 5, 8, 9, 12, 13, 14, 17, 20, 21])
    sha256 = sha256_of(source)
    maker.video("anna/lossy.mp4", "anna", "train", talking(25, 77)[kept], frame_index=kept, drops=drops, sha256=sha256)
    maker.results[-1] = (replace(maker.results[-1][0], frames_seen=25), maker.results[-1][1])
    save_track(track_file(maker.root, "anna/lossy.mp4"), track, sha256)
    root = maker.finish()
    contents = json.loads((root / "dataset.json").read_text())
    contents["config"]["min_face_px"] = config.min_face_px
    (root / "dataset.json").write_text(json.dumps(contents))
    return root


@pytest.fixture(scope="module")
def page(made: Path) -> str:
    return write_report(made).read_text(encoding="utf-8")


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the text of each script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] == "script":
            self.scripts[-1] += data


def data_of(page: str) -> dict[str, Any]:
    return dict(json.loads(Elements(page).scripts[0]))


def test_page_says_what_was_built(page: str, made: Path) -> None:
    data = data_of(page)
    assert data["splits"] == ["test", "train"]
    assert [row["name"] for row in data["speakers"]] == ["<b>cy</b>", "anna", "bob"]
    bob = data["speakers"][2]
    assert (bob["videos"], bob["failed"], bob["frames"], bob["dropped"]) == (6, 3, 120, 50)
    for words in (open_dataset(made).digest, "face_fraction", "track.detect_every", "2.2.6", "TCD-TIMIT"):
        assert words in page
    assert "<strong>8</strong>" in page
    assert "of 11; 3 failed" in page


def test_failures_are_listed_with_reasons(page: str) -> None:
    assert "<strong>unreadable</strong> 1" in page
    assert "&lt;i&gt;no&lt;/i&gt; moov atom" in page
    data = data_of(page)
    place = data["videos"]["id"].index("bob/empty.mp4")
    assert data["videos"]["ok"][place] == 0
    assert data["videos"]["error"][place].startswith("no_face: of 50 frames")


def test_names_stay_text(page: str) -> None:
    elements = Elements(page)
    assert [tag for tag, _ in elements.found].count("script") == 2
    assert not [attributes for _, attributes in elements.found if any(name.startswith("on") for name in attributes)]
    assert {"i", "b"}.isdisjoint(tag for tag, attributes in elements.found if not attributes.get("style"))
    data = data_of(page)
    assert EVIL in data["videos"]["id"]
    assert NOT_UTF8 in data["videos"]["id"]
    assert script_json(["</script><!--\u2028"]).isascii()
    assert "<" not in script_json(["</script><!--"])


def test_nothing_is_fetched(page: str) -> None:
    for tag, attributes in Elements(page).found:
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/webp;base64,")), (tag, attributes)
    assert "default-src 'none'" in page
    assert "url(" not in page


def test_same_dataset_same_bytes(made: Path, page: str, tmp_path: Path) -> None:
    other = shutil.copytree(made, tmp_path / "elsewhere", ignore=shutil.ignore_patterns("report"))
    (other / "manifest.csv").write_bytes((made / "manifest.csv").read_bytes())
    assert write_report(other, jobs=3).read_text(encoding="utf-8") == page
    assert [path.name for path in (other / "report").iterdir()] == ["index.html"]


def test_dropped_frames_are_shown(made: Path) -> None:
    found = drop_examples(gather(open_dataset(made)), made / "corpus", progress=False)
    examples = {example.reason: example for example in found}
    assert {reason: example.frame for reason, example in examples.items()} == {
        "no_face": 4,
        "too_small": 9,
        "out_of_frame": 13,
        "other_person": 21,
        "corrupt": 17,
    }
    source = made / "corpus" / "anna" / "lossy.mp4"
    frames = [frame.y.astype(int) for frame in read_frames(source)]
    for reason in ("no_face", "too_small", "other_person", "corrupt"):
        file = io.BytesIO(base64.b64decode(examples[reason].picture.partition(",")[2]))
        shown = np.asarray(Image.open(file).convert("L"), int)
        assert np.argmin([np.abs(shown - frame).mean() for frame in frames]) == examples[reason].frame
    assert examples["out_of_frame"].picture.startswith("data:image/webp")


def test_works_without_work_and_sources(made: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(made, tmp_path / "bare", ignore=shutil.ignore_patterns("report", "work"))
    assert "No picture: the work folder is gone" in write_report(bare).read_text(encoding="utf-8")
    assert data_of((bare / "report" / "index.html").read_text())["videos"]["score"] == [None] * 11
    assert "No picture: source videos are not shown; --source-pictures" in write_report(made).read_text(
        encoding="utf-8"
    )
    assert "No picture: the source video is not there any more" in write_report(
        made, sources=tmp_path / "gone"
    ).read_text(encoding="utf-8")


def test_no_source_is_shown_but_the_one_that_the_build_read(made: Path, make_video: MakeVideo, tmp_path: Path) -> None:
    """A manifest may name any file; what the page shows is passed on."""
    private = make_video("private.mp4", source="testsrc2=size=320x240:rate=25:duration=2")
    corpus = tmp_path / "corpus" / "anna"
    corpus.mkdir(parents=True)
    shutil.copy(private, corpus / "lossy.mp4")
    shutil.copy(private, tmp_path / "private.mp4")
    gathered = gather(open_dataset(made))
    assert not any(example.picture for example in drop_examples(gathered, tmp_path / "corpus", progress=False))
    root = shutil.copytree(made, tmp_path / "made")
    track = load_track(track_file(made, "anna/lossy.mp4"), sha256_of(made / "corpus/anna/lossy.mp4"))
    assert track is not None
    save_track(track_file(root, "anna/lossy.mp4"), track, sha256_of(private))
    for path, is_shown in (("anna/lossy.mp4", True), ("../private.mp4", False)):
        entries = [replace(entry, path=path, sha256=sha256_of(private)) for entry in gathered.entries]
        forged = replace(gathered, dataset=open_dataset(root), entries=entries)
        found = drop_examples(forged, tmp_path / "corpus", progress=False)
        assert any(example.picture for example in found) == is_shown, path


def test_low_score_comes_from_the_track(made: Path) -> None:
    gathered = gather(open_dataset(made))
    place = [entry.id for entry in gathered.entries].index("anna/lossy.mp4")
    assert gathered.tracks == 1
    assert gathered.entries[place].score == pytest.approx(0.1)
    kinds = [sign.kind for sign in find_signs(gathered.entries)[place]]
    assert kinds[:2] == ["score", "drops"]


def test_pictures_of_as_many_videos_as_asked(made: Path) -> None:
    entries = gather(open_dataset(made)).entries
    signs = find_signs(entries)
    assert len(choose_pictured(entries, signs, 100)) == 8
    three = choose_pictured(entries, signs, 4)
    assert {entries[place].speaker for place in three} == {"anna", "bob", "<b>cy</b>"}
    assert entries[three[0]].id == "anna/lossy.mp4"
    assert choose_pictured(entries, signs, 0) == []
    assert page_data(entries, signs, {})["pictures"] == {}


def signs_of(maker: Maker) -> dict[str, list[str]]:
    entries = gather(open_dataset(maker.finish())).entries
    return {entry.id: [sign.kind for sign in ours] for entry, ours in zip(entries, find_signs(entries), strict=True)}


def test_signs(tmp_path: Path) -> None:
    maker = Maker(tmp_path)
    jumping = talking(FRAMES, 50)
    jumping[20:] += 40
    maker.video("fine.mp4")
    maker.video("jumps.mp4", points=jumping)
    maker.video("shaky.mp4", points=talking(FRAMES, 51, noise=3.0))
    maker.video("still.mp4", points=talking(FRAMES, 52, amplitude=0.5))
    maker.video("padded.mp4", padding=0.4)
    maker.video("crowd.mp4", frames_other_faces=20)
    maker.video("people.mp4", people=2, drops={"other_person": 2})
    maker.video("kept.mp4", people=3)
    maker.video("drops.mp4", points=talking(30, 53), frame_index=np.arange(10, 40), drops={"no_face": 10})
    maker.results[-1] = (replace(maker.results[-1][0], frames_seen=40), maker.results[-1][1])
    maker.video("short.mp4", points=talking(10, 54))
    maker.video("warned.mp4", warning="error while decoding MB 3 4")
    signs = signs_of(maker)
    assert signs.pop("fine.mp4") == []
    wanted = {"padded": "padding", "warned": "warning", "kept": "people"}
    for name, kinds in signs.items():
        stem = name.removesuffix(".mp4")
        assert wanted.get(stem, stem) in kinds, (name, kinds)
        assert len(kinds) == 1 or stem in ("short", "shaky"), (name, kinds)


def test_copies_are_found_across_splits(tmp_path: Path) -> None:
    maker = Maker(tmp_path)
    noise = np.random.default_rng(0).normal(0, 0.1, (FRAMES, 68, 2)).astype(np.float32)
    maker.video("train/a.mp4", "a", points=talking(FRAMES, 1))
    maker.video("train/b.mp4", "b", points=talking(FRAMES, 1) - noise, skin=(120, 80, 60))  # the same words
    maker.video("test/again.mp4", "c", "test", points=talking(FRAMES, 1) + noise)
    entries = gather(open_dataset(maker.finish())).entries
    signs = {entry.id: ours for entry, ours in zip(entries, find_signs(entries), strict=True)}
    assert [sign.text for sign in signs["test/again.mp4"]] == [
        "almost the same as train/a.mp4, which is in train, speaker a"
    ]
    assert [entries[sign.other or 0].id for sign in signs["train/a.mp4"]] == ["test/again.mp4"]
    assert signs["train/b.mp4"] == []


def test_stranger_is_found(tmp_path: Path) -> None:
    maker = Maker(tmp_path)
    for clip in range(4):
        maker.video(f"anna/{clip}.mp4", "anna")
        maker.video(f"bob/{clip}.mp4", "bob", skin=SKINS["anna" if clip == 3 else "bob"])
    signs = signs_of(maker)
    assert signs.pop("bob/3.mp4") == ["stranger"]
    assert not any(signs.values())


def test_jitter_is_noise_not_motion() -> None:
    random = np.random.default_rng(0)
    steady = face()[None] + np.arange(400)[:, None, None] * np.array([1.5, 0.5])
    index = np.arange(400, dtype=np.int32)
    assert measures.jitter(steady.astype(np.float32), index) < 1e-3
    noisy = (steady + random.normal(0, 0.5, (400, 68, 2))).astype(np.float32)
    eyes = np.linalg.norm(face()[36] - face()[45])
    # The mean length of a two-dimensional normal vector of deviation 0.5 is 0.5 √(π/2).
    assert measures.jitter(noisy, index) == pytest.approx(100 * 0.5 * np.sqrt(np.pi / 2) / eyes, rel=0.03)
    assert np.isnan(measures.jitter(noisy, 2 * index))


def test_steps_skip_gaps_and_crop_motion() -> None:
    source = np.repeat(face()[None], 4, 0)
    source[1:] += (13.4, 0)
    transforms = np.zeros((4, 2, 3), np.float32)
    transforms[:, [0, 1], [0, 1]] = 0.5
    transforms[:, 0, 2] = [5, -60, 7, 30]
    crop = source * 0.5 + transforms[:, None, :, 2]
    points = measures.source_landmarks(crop, transforms)
    assert np.allclose(points, source, atol=1e-4)
    steps = measures.steps(points, np.array([0, 1, 2, 5], np.int32))
    assert steps[:2] == pytest.approx([13.4 / 134, 0], abs=1e-5)
    assert np.isnan(steps[2])


def test_timeline_has_gaps_and_is_thinned() -> None:
    openness = np.array([1, 2, 4, 5], np.float32)
    line = measures.timeline(openness, np.array([0, 1, 3, 4], np.int32), 6, 100)
    assert np.array_equal(line, [1, 2, np.nan, 4, 5, np.nan], equal_nan=True)
    assert len(measures.timeline(np.ones(1000, np.float32), np.arange(1000, dtype=np.int32), 1000, 120)) == 120


def test_sharpness_falls_with_blur() -> None:
    points = talking(2, 0)
    frames = np.stack([picture(p, SKINS["anna"]) for p in points])
    dim = (frames * 0.3 + 10).astype(np.uint8)
    assert sharpness(dim, points) == pytest.approx(sharpness(frames, points), rel=0.2)
    blurred = np.stack([cv2.GaussianBlur(frame, (0, 0), 3) for frame in frames])
    assert sharpness(blurred, points) < 0.5 * sharpness(frames, points)


def test_outliers_link_to_their_video() -> None:
    points = [Point(value, place, f"<{place}>") for place, value in enumerate([*np.linspace(1, 2, 20), 90.0])]
    plot = Plot("A", "b", "px", np.array([point.value for point in points]), points)
    assert [point.place for point in outliers(plot)] == [20]
    html = figure(plot)
    assert '<a href="#v20">&lt;20&gt;</a> 90.0' in html
    few = Plot("A", "b", "px", np.array([1.0, 1.0, 90.0]), points[-3:])
    assert outliers(few) == []
    assert figure(Plot("A", "b", "", np.full(9, 75.0), [])).count("<rect") == 1
    assert "nothing to show" in figure(Plot("A", "b", "", np.empty(0), []))


def test_command(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(made), "--pictures", "2"]) == 0
    assert capsys.readouterr().out == f"{made / 'report' / 'index.html'}\n"
    assert len(data_of((made / "report" / "index.html").read_text())["pictures"]) == 2
    assert main(["report", str(tmp_path)]) == 1
    assert "no finished dataset here" in capsys.readouterr().err
    assert main(["report", str(made), "--pictures", "-1"]) == 1
    assert "--pictures must be 0 or more" in capsys.readouterr().err


def test_broken_manifest_is_named(made: Path, tmp_path: Path) -> None:
    out = shutil.copytree(made, tmp_path / "out")
    manifest = out / "manifest.csv"
    manifest.write_bytes(manifest.read_bytes().replace(b",134.0,", b",wide,", 1))
    with pytest.raises(DatasetError, match=r"manifest\.csv: face_width_px must be numbers"):
        write_report(out)
    manifest.write_bytes(manifest.read_bytes().replace(b"padding", b"something", 1))
    with pytest.raises(DatasetError, match=r"lacks padding"):
        write_report(out)


@pytest.fixture(scope="module")
def opened(browser: Browser, page: str, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(page, encoding="utf-8")
    browser.open(path, width=390)
    return browser


def shown_ids(browser: Browser) -> list[str]:
    found = browser.run("[...document.querySelectorAll('#video-table tbody tr a')].map((link) => link.textContent)")
    return [str(text) for text in found]


def choose(browser: Browser, control: str, value: str) -> None:
    """Set a filter as a user does."""
    browser.run(
        f"(() => {{ const control = document.getElementById({control!r}); control.value = {json.dumps(value)};"
        "control.dispatchEvent(new Event('input', { bubbles: true })); })()"
    )


def test_browser_shows_everything(opened: Browser) -> None:
    assert opened.run("document.images.length") > 20
    broken = opened.run(
        "(async () => { const all = [...document.images]; all.forEach((image) => { image.loading = 'eager'; });"
        "await Promise.allSettled(all.map((image) => image.decode()));"
        "return all.filter((image) => image.naturalWidth === 0 || !image.alt).length; })()"
    )
    assert broken == 0
    assert opened.run("document.documentElement.scrollWidth <= innerWidth"), "a phone would scroll sideways"
    assert opened.run("typeof window.pwned") == "undefined"
    assert EVIL in shown_ids(opened)
    assert opened.complaints == []


def test_browser_filters(opened: Browser) -> None:
    assert len(shown_ids(opened)) == 11
    assert shown_ids(opened)[0] == "anna/lossy.mp4", "suspicious videos come first"
    choose(opened, "video-status", "0")
    assert len(shown_ids(opened)) == 3
    choose(opened, "video-search", "EMPTY")
    assert shown_ids(opened) == ["bob/empty.mp4"]
    opened.run(
        "document.querySelector('#video-filters [type=reset]').click(), new Promise((done) => setTimeout(done, 50))"
    )
    assert len(shown_ids(opened)) == 11
    choose(opened, "video-split", "0")
    assert [name for name in shown_ids(opened) if not name.startswith("bob/")] == [NOT_UTF8]
    choose(opened, "video-split", "")
    choose(opened, "video-speaker", "1")
    assert sorted(shown_ids(opened)) == [*(f"anna/clip {clip}.mp4" for clip in range(3)), "anna/lossy.mp4"]
    choose(opened, "video-speaker", "")
    choose(opened, "speaker-search", "ann")
    assert opened.run("document.querySelector('#speaker-cards h3').textContent") == "anna"
    assert opened.run("document.querySelectorAll('#speaker-cards article').length") == 1
    choose(opened, "speaker-search", "")
    assert opened.complaints == []


def test_browser_sorts(opened: Browser) -> None:
    names = opened.run(
        "(() => { const click = () => document.querySelector('#video-table th button').click(); click(); click();"
        "return document.querySelector('#video-table th').getAttribute('aria-sort'); })()"
    )
    assert names == "descending"
    assert shown_ids(opened) == sorted(shown_ids(opened), reverse=True)


def test_browser_opens_a_video(opened: Browser) -> None:
    opened.run(
        "location.hash = '#v' + videos.id.indexOf('anna/lossy.mp4'), new Promise((done) => setTimeout(done, 100))"
    )
    text = opened.run("document.querySelector('dialog[open]').innerText")
    for words in ("lossy.mp4", "low score", "14 of 25", "3 no_face, 2 too_small, 3 out_of_frame, 2 other_person"):
        assert words in text
    assert opened.run("document.querySelectorAll('dialog .bank img').length") == 5
    assert opened.run("document.querySelector('dialog .trace .line').getAttribute('d').split('M').length - 1") >= 3
    opened.run("document.querySelector('dialog button').click(), new Promise((done) => setTimeout(done, 50))")
    assert opened.run("document.querySelector('dialog').open") is False
    assert opened.run("location.hash") == ""
    assert opened.complaints == []


@pytest.fixture
def apart(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page of the same dataset as if its eleven videos were many: with four files beside it, and one too many."""
    monkeypatch.setattr("pipeline.report.MOST_TOGETHER", 10)
    monkeypatch.setattr("pipeline.report.APART", 3)
    root = shutil.copytree(made, tmp_path / "out")
    (root / "report" / "videos-0005.js").write_text("of a larger dataset")
    (root / "report" / "videos.js").write_text("not ours")
    return write_report(root)


def sheet_of(browser: Browser, place: str, until: str) -> str:
    """The words of a video's sheet, once it has what is waited for."""
    return str(
        browser.run(
            f"location.hash = '#v' + {place}, new Promise((done) => {{ const look = () => "
            f"document.querySelector('{until}') ? done(document.querySelector('dialog[open]').innerText) "
            ": setTimeout(look, 20); look(); })"
        )
    )


def test_figures_of_many_videos_lie_beside_the_page(apart: Path, page: str) -> None:
    names = [path.name for path in sorted(apart.parent.iterdir())]
    assert names == ["index.html", *(f"videos-000{number}.js" for number in range(1, 5)), "videos.js"]
    alone, columns = data_of(page)["videos"], data_of(apart.read_text(encoding="utf-8"))["videos"]
    for number in range(4):
        text = (apart.parent / f"videos-000{number + 1}.js").read_text(encoding="ascii")
        part = json.loads(text.removeprefix(f"addDetails({number},").removesuffix(");\n"))
        for name, values in part.items():
            columns.setdefault(name, []).extend(values)
    assert columns == alone


def test_browser_fetches_the_figures_of_what_it_shows(browser: Browser, apart: Path) -> None:
    browser.complaints.clear()
    browser.open(apart)
    assert len(shown_ids(browser)) == 11
    text = sheet_of(browser, "videos.id.indexOf('anna/lossy.mp4')", until="dialog dl")
    for words in ("lossy.mp4", "low score", "14 of 25", "3 no_face, 2 too_small, 3 out_of_frame, 2 other_person"):
        assert words in text
    assert browser.run("document.querySelectorAll('dialog .bank img').length") == 5
    assert browser.run("document.querySelector('dialog .trace .line').getAttribute('d').split('M').length - 1") >= 3
    browser.run("document.querySelector('dialog button').click()")
    browser.run("document.querySelector('[data-group=listed]').click()")  # over all files, read or not
    assert browser.run("chosen.size") == 9  # no line can hold EVIL's two names
    assert browser.complaints == []


def test_browser_names_the_file_that_is_missing(browser: Browser, apart: Path) -> None:
    for path in apart.parent.glob("videos-*.js"):
        path.unlink()
    browser.open(apart)
    text = sheet_of(browser, "0", until="dialog .sheet > .note")
    browser.complaints.clear()  # it says so itself
    assert "Its figures are in videos-0001.js, which is not beside this page." in text
