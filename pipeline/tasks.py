"""The Luigi tasks: `BuildTimit`, `BuildFaceForensics`, `BuildFolder`, `BuildSample`, and the chunks they consist of."""

from __future__ import annotations

import atexit
import os
from functools import cached_property
from pathlib import Path
from typing import Any

import luigi

from pipeline import corpora
from pipeline.build import build_chunk, chunk_done, chunk_file, dataset_done, finish, summary
from pipeline.corpora import Source
from pipeline.errors import InputError
from pipeline.plan import Chunk, Plan, load_plan, load_sources, make_plan, save_plan, save_sources
from pipeline.progress import Progress
from pipeline.settings import CENTRE_NAMES, Settings, digest_of
from pipeline.shards.dataset import DATASET_FILE, open_dataset
from pipeline.tracking import TrackSettings

_DEFAULT = Settings()


class _Done(luigi.Target):  # type: ignore[misc]
    """A target that exists when a check says so: complete files, not merely present ones."""

    def __init__(self, path: Path, check: Any) -> None:
        self.path = path
        self._check = check

    def exists(self) -> bool:
        return bool(self._check())


class PrepareChunk(luigi.Task):  # type: ignore[misc]
    """Prepares one chunk of a plan and writes its shard."""

    out = luigi.Parameter(description="the dataset's folder")
    plan = luigi.Parameter(description="digest of the plan, which lies in <out>/work/plans/")
    chunk = luigi.Parameter(description="name of the chunk")
    corpus_root = luigi.Parameter(significant=False, description="folder of the corpus")
    landmark_model = luigi.OptionalParameter(default=None, significant=False, description="dlib's landmark model")
    jobs = luigi.IntParameter(default=1, significant=False, description="processes inside the chunk")

    @cached_property
    def _plan(self) -> Plan:
        return load_plan(plan_file(Path(self.out), self.plan))

    @cached_property
    def _chunk(self) -> Chunk:
        return next(chunk for chunk in self._plan.chunks if chunk.name == self.chunk)

    def output(self) -> luigi.Target:
        out = Path(self.out)
        return _Done(chunk_file(out, self._chunk), lambda: chunk_done(out, self._chunk))

    def run(self) -> None:
        model = Path(self.landmark_model) if self.landmark_model else None
        build_chunk(Path(self.out), Path(self.corpus_root), self._chunk, self._plan.settings, model, self.jobs)


class _Build(luigi.Task):  # type: ignore[misc]
    """What the builds share: flags, the plan, and finishing."""

    corpus = "folder"  # how training draws its banks
    progress: Progress | None = None

    corpus_root = luigi.Parameter(default="", significant=False, description="folder of the corpus (required)")
    out = luigi.Parameter(default="out", description="folder for the dataset")
    max_failures = luigi.FloatParameter(
        default=0.05, significant=False, description="fraction of the videos that may fail before the build does"
    )
    crop_centre = luigi.ChoiceParameter(
        choices=CENTRE_NAMES, default="nose", description="the crop's centre: tip of the nose, or between the eyes"
    )
    face_fraction = luigi.FloatParameter(
        default=_DEFAULT.face_fraction, description="share of the crop's width that the face takes"
    )
    min_face_px = luigi.FloatParameter(
        default=_DEFAULT.min_face_px, description="narrower faces (jaw width in the source) are dropped"
    )
    max_padding = luigi.FloatParameter(
        default=_DEFAULT.max_padding, description="share of a crop outside the picture above which it is dropped"
    )
    bank_size = luigi.IntParameter(default=_DEFAULT.bank_size, description="images in a speaker's bank (N)")
    storage = luigi.ChoiceParameter(
        choices=("raw", "lz4", "zstd", "gzip"),
        default=_DEFAULT.storage,
        description="how frames are compressed, losslessly",
    )
    landmark_model = luigi.OptionalParameter(
        default=None,
        significant=False,
        description="dlib's shape_predictor_68_face_landmarks.dat, if not the installed one",
    )
    jobs = luigi.IntParameter(
        default=1, significant=False, description="processes inside each task (joblib), on top of --workers"
    )
    rescan = luigi.BoolParameter(
        significant=False, description="look for new videos instead of keeping to the list of the first run"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.plan = self._make_plan()  # at once: bad flags end the command before anything is scheduled

    def sources(self) -> list[Source]:
        """The corpus as it lies on disk now."""
        raise InputError(f"{self.task_family} builds nothing itself: use BuildFolder, BuildTimit or BuildFaceForensics")

    def source_options(self) -> dict[str, Any]:
        """The flags that decide `sources`."""
        return {}

    @property
    def _settings(self) -> Settings:
        return Settings(
            centre=self.crop_centre,
            face_fraction=self.face_fraction,
            min_face_px=self.min_face_px,
            max_padding=self.max_padding,
            bank_size=self.bank_size,
            storage=self.storage,
            track=TrackSettings(),
        )

    def _make_plan(self) -> Plan:
        """The plan, from the inventory of the first run unless `--rescan` asks for a new one."""
        if not self.corpus_root:
            raise InputError(f"{self.task_family} needs the corpus: name its folder with --corpus-root")
        if not 0 <= self.max_failures <= 1:
            raise InputError(f"--max-failures must be a fraction in [0, 1], got {self.max_failures:g}")
        settings = self._settings
        plan = make_plan(self.corpus, self._inventory(), settings)
        path = plan_file(Path(self.out), plan.digest)
        if not path.is_file():
            save_plan(path, plan)
        return plan

    def _inventory(self) -> list[Source]:
        name = f"inventory-{digest_of([self.task_family, self.source_options()])}.json"
        path = Path(self.out) / "work" / name
        if self.rescan or not path.is_file():
            save_sources(path, self.sources())
        sources = load_sources(path)
        root = Path(self.corpus_root)
        if root.is_dir() and not any((root / source.id).exists() for source in sources):
            raise InputError(
                f"{root}: holds none of the videos that {path} lists; choose another --out, or add --rescan"
            )
        return sources

    def requires(self) -> list[PrepareChunk]:
        return [
            PrepareChunk(
                out=self.out,
                plan=self.plan.digest,
                chunk=chunk.name,
                corpus_root=self.corpus_root,
                landmark_model=self.landmark_model,
                jobs=self.jobs,
            )
            for chunk in self.plan.chunks
        ]

    def output(self) -> luigi.Target:
        out = Path(self.out)
        return _Done(out / DATASET_FILE, lambda: dataset_done(out, self.plan))

    def run(self) -> None:
        finish(Path(self.out), Path(self.corpus_root), self.plan, self.max_failures)


class BuildFolder(_Build):
    """Builds from any folder of videos: one subfolder is one speaker, files at the top are one speaker each."""

    split_seed = luigi.IntParameter(default=0, description="seed of the three-to-one split into train and test")

    def sources(self) -> list[Source]:
        return corpora.scan_folder(Path(self.corpus_root), self.split_seed)

    def source_options(self) -> dict[str, Any]:
        return {"split_seed": self.split_seed}


class BuildTimit(_Build):
    """Builds TCD-TIMIT: volunteers/<id>/Clips/straightcam/*.mp4, with its published speaker-independent split."""

    corpus = "timit"
    cameras = luigi.Parameter(
        default="straightcam", description="camera folders to use, separated by commas: straightcam, 30degcam"
    )
    extra_speakers = luigi.ChoiceParameter(
        choices=("none", "all"),
        default="none",
        description="the six speakers outside the published split (27M, 35M, 53M, the lipspeakers)",
    )

    def sources(self) -> list[Source]:
        return corpora.scan_timit(Path(self.corpus_root), str(self.cameras).split(","), self.extra_speakers)

    def source_options(self) -> dict[str, Any]:
        return {"cameras": self.cameras, "extra_speakers": self.extra_speakers}


class BuildSample(BuildTimit):
    """Draws the sample corpus, talking heads with known landmarks in TCD-TIMIT's layout, and builds its dataset."""

    corpus_root = luigi.Parameter(
        default="sample-corpus", significant=False, description="folder to draw the corpus in"
    )
    speakers = luigi.IntParameter(default=8, description="speakers to draw")
    clips = luigi.IntParameter(default=4, description="clips of each")
    seconds = luigi.FloatParameter(default=2.5, description="length of a clip")

    def sources(self) -> list[Source]:
        from pipeline.sample import write_sample_corpus  # draws with cv2, which scheduling need not load

        write_sample_corpus(
            Path(self.corpus_root),
            speakers=self.speakers,
            clips=self.clips,
            seconds=self.seconds,
            workers=os.cpu_count() or 1,
        )
        return super().sources()

    def source_options(self) -> dict[str, Any]:
        drawn = {"speakers": self.speakers, "clips": self.clips, "seconds": self.seconds}
        return {**super().source_options(), **drawn}


class BuildFaceForensics(_Build):
    """Builds FaceForensics: v1 (train/original/*.avi, ...) or FF++ (original_sequences/youtube/c23/videos/*.mp4)."""

    corpus = "faceforensics"
    crop_centre = luigi.ChoiceParameter(
        choices=CENTRE_NAMES, default="eyes", description="the crop's centre: tip of the nose, or between the eyes"
    )
    split_seed = luigi.IntParameter(default=0, description="seed of the 75/25 split by hash of the video's id")
    split = luigi.ChoiceParameter(
        choices=("seeded", "folders"), default="seeded", description="the 75/25 split, or v1's own folders"
    )
    compression = luigi.ChoiceParameter(
        choices=("best", "raw", "c23", "c40"),
        default="best",
        description="of FF++; best: the first that is there",
    )

    def sources(self) -> list[Source]:
        return corpora.scan_faceforensics(Path(self.corpus_root), self.split_seed, self.compression, self.split)

    def source_options(self) -> dict[str, Any]:
        return {"split_seed": self.split_seed, "compression": self.compression, "split": self.split}


def plan_file(out: Path, digest: str) -> Path:
    """Where a plan is kept."""
    return out / "work" / "plans" / f"{digest}.json"


@_Build.event_handler(luigi.Event.DEPENDENCY_DISCOVERED)  # type: ignore[untyped-decorator]
def _announce(task: luigi.Task, _dependency: luigi.Task) -> None:
    """Luigi found something to do: show the build's progress from now on."""
    if isinstance(task, _Build) and task.progress is None:
        task.progress = Progress(Path(task.out), task.plan)
        task.progress.start()
        atexit.register(_farewell, task)


def _farewell(task: _Build) -> None:
    """The last words of a build, once Luigi is through with it."""
    if task.progress is not None:
        task.progress.stop()
    if task.complete():
        print(summary(Path(task.out), open_dataset(task.out).contents))


@_Build.event_handler(luigi.Event.DEPENDENCY_PRESENT)  # type: ignore[untyped-decorator]
def _nothing_to_do(task: luigi.Task) -> None:
    if isinstance(task, _Build):
        print(f"{task.out}: complete already, nothing to do")
