"""What the builds share, as Luigi tasks: a chunk of videos, and the build that consists of chunks and finishes them."""

from __future__ import annotations

import atexit
import multiprocessing
import time
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import luigi

from pipeline.building.chunk import BACKENDS, Pool, build_chunk, chunk_done, chunk_file
from pipeline.building.finish import dataset_done, finish, forget_passing, summary
from pipeline.building.plan import Chunk, Plan, load_plan, load_sources, make_plan, save_plan, save_sources
from pipeline.building.progress import Progress
from pipeline.building.upkeep import hold_folder, tidy
from pipeline.child_process import die_with
from pipeline.cli import printable
from pipeline.corpora import Source
from pipeline.errors import InputError
from pipeline.preparing.video import load_models
from pipeline.result import VideoResult
from pipeline.settings import AFTER_DAMAGE, CENTRE_NAMES, SCENES, Settings, digest_of
from pipeline.shards.dataset import DATASET_FILE, open_dataset
from pipeline.shards.schema import STORAGES
from pipeline.tracking import TrackSettings
from pipeline.tracking.landmark_model import landmark_model_path

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
    joblib_backend = luigi.Parameter(default="loky", significant=False, description="what runs them")
    dask_scheduler = luigi.OptionalParameter(default=None, significant=False, description="host:port")

    @cached_property
    def _plan(self) -> Plan:
        return load_plan(plan_file(Path(self.out), self.plan))

    @cached_property
    def _chunk(self) -> Chunk:
        return next(chunk for chunk in self._plan.chunks if chunk.name == self.chunk)

    @property
    def priority(self) -> int:
        """The largest chunks first, so that no worker waits long for the last one."""
        return len(self._chunk.videos)

    def output(self) -> luigi.Target:
        out = Path(self.out)
        return _Done(chunk_file(out, self._chunk), lambda: chunk_done(out, self._chunk))

    def run(self) -> None:
        worker = multiprocessing.parent_process()
        if worker is not None:  # Luigi forked us; do not outlive it when it is killed
            die_with(worker.pid or 0)
        model = Path(self.landmark_model) if self.landmark_model else None
        pool = Pool(self.jobs, self.joblib_backend, self.dask_scheduler)
        out, root = Path(self.out), Path(self.corpus_root)
        tell = partial(self._tell, time.monotonic())
        build_chunk(out, root, self._chunk, self._plan.settings, model, pool, tell)

    def _tell(self, started: float, results: Sequence[VideoResult]) -> None:
        """How far the chunk is, for luigid's page."""
        if self.set_status_message is None:  # run without a scheduler
            return
        done, videos = len(results), len(self._chunk.videos)
        seconds = time.monotonic() - started
        failures = sum(result.status != "ok" for result in results)
        rate = sum(result.frames_seen for result in results) / seconds
        left = seconds / done * (videos - done)
        self.set_status_message(f"{done} of {videos} videos, {rate:.0f} frames/s, {left:.0f} s left, {failures} failed")
        self.set_progress_percentage(round(100 * done / videos))


class Build(luigi.Task):  # type: ignore[misc]
    """What the builds share: flags, the plan, and finishing."""

    corpus = "folder"  # how training draws its banks
    progress: Progress | None = None
    retry_count = 1  # of Luigi: what this task finds wrong, another try does not mend

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
    min_seconds = luigi.FloatParameter(
        default=_DEFAULT.min_seconds, description="a video of which less is kept is left out (too_short)"
    )
    scenes = luigi.ChoiceParameter(
        choices=SCENES,
        default=_DEFAULT.scenes,
        description="of a video that shows several people one after the other: the main one's scenes, or keep all",
    )
    after_damage = luigi.ChoiceParameter(
        choices=AFTER_DAMAGE,
        default=_DEFAULT.after_damage,
        description="what follows a corrupt frame, which is dropped, up to the next key frame: keep, or drop as well",
    )
    subpixel_landmarks = luigi.BoolParameter(
        description="landmarks as dlib's model gives them, not rounded to whole source pixels: steadier on small faces"
    )
    smooth_landmarks = luigi.FloatParameter(
        default=0.0, description="smooth the landmarks over time: a Gaussian's standard deviation in frames (0: none)"
    )
    smooth_centres = luigi.FloatParameter(default=0.0, description="the same for the crop's centre alone")
    storage = luigi.ChoiceParameter(
        choices=tuple(STORAGES),
        default=_DEFAULT.storage,
        description="how frames are compressed: losslessly (htj2k: smallest, slower), or a seventh of that by jpeg",
    )
    landmark_model = luigi.OptionalParameter(
        default=None,
        significant=False,
        description="dlib's shape_predictor_68_face_landmarks.dat, if not the installed one",
    )
    jobs = luigi.IntParameter(
        default=1, significant=False, description="processes inside each task (joblib), on top of --workers"
    )
    joblib_backend = luigi.ChoiceParameter(
        choices=BACKENDS, default="loky", significant=False, description="what runs --jobs; dask: a cluster's workers"
    )
    dask_scheduler = luigi.OptionalParameter(
        default=None, significant=False, description="host:port of dask's scheduler, for --joblib-backend dask"
    )
    num_ranks = luigi.IntParameter(
        default=1, significant=False, description="number of builds that share the work without a scheduler"
    )
    rank = luigi.IntParameter(default=0, significant=False, description="which of them this one is, from 0")
    retry_failed = luigi.BoolParameter(
        significant=False, description="try again the videos that crashed, changed, vanished or took too long"
    )
    rescan = luigi.BoolParameter(
        significant=False, description="look for new videos instead of keeping to the list of the first run"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.plan = self._make_plan()  # at once: bad flags end the command before anything is scheduled
        self._share = self.plan.chunks[self.rank :: self.num_ranks]

    def sources(self) -> list[Source]:
        """The corpus as it lies on disk now."""
        raise InputError(f"{self.task_family} builds nothing itself: use BuildFolder, BuildTimit or BuildFaceForensics")

    def source_options(self) -> dict[str, Any]:
        """The flags that decide `sources`."""
        return {}

    @property
    def _model(self) -> Path | None:
        return Path(self.landmark_model) if self.landmark_model else None

    @property
    def _settings(self) -> Settings:
        return Settings(
            centre=self.crop_centre,
            face_fraction=self.face_fraction,
            min_face_px=self.min_face_px,
            max_padding=self.max_padding,
            bank_size=self.bank_size,
            min_seconds=self.min_seconds,
            scenes=self.scenes,
            after_damage=self.after_damage,
            smooth_landmarks=self.smooth_landmarks,
            smooth_centres=self.smooth_centres,
            storage=self.storage,
            track=TrackSettings(subpixel=self.subpixel_landmarks),
        )

    def _make_plan(self) -> Plan:
        """The plan, from the inventory of the first run unless `--rescan` asks for a new one."""
        if not self.corpus_root:
            raise InputError(f"{self.task_family} needs the corpus: name its folder with --corpus-root")
        if not 0 <= self.max_failures <= 1:
            raise InputError(f"--max-failures must be a fraction in [0, 1], got {self.max_failures:g}")
        if not 0 <= self.rank < self.num_ranks:
            raise InputError(f"--rank must be in [0, --num-ranks {self.num_ranks}), got {self.rank}")
        if self.joblib_backend == "dask" and not self.dask_scheduler:
            raise InputError("--joblib-backend dask needs --dask-scheduler host:port")
        landmark_model_path(self._model)
        settings = self._settings
        out, alone = Path(self.out), self.num_ranks == 1 and luigi.interface.core().local_scheduler
        hold_folder(out, shared=not alone)
        plan = make_plan(self.corpus, self._inventory(), settings)
        path = plan_file(out, plan.digest)
        if not path.is_file():
            save_plan(path, plan)
        if self.retry_failed:
            forget_passing(out, plan)
        if alone and (removed := tidy(out, plan)):
            print(printable(removed))
        return plan

    def _inventory(self) -> list[Source]:
        name = f"inventory-{digest_of([self.task_family, self.source_options()])}.json"
        path = Path(self.out) / "work" / name
        if self.rescan or not path.is_file():
            save_sources(path, self.sources(), first_wins=not self.rescan)
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
                joblib_backend=self.joblib_backend,
                dask_scheduler=self.dask_scheduler,
            )
            for chunk in self._share
        ]

    def output(self) -> luigi.Target:
        return _Done(Path(self.out) / DATASET_FILE, lambda: self.dataset_done or self._waits_for_others())

    @property
    def dataset_done(self) -> bool:
        """Whether the dataset is complete."""
        return dataset_done(Path(self.out), self.plan)

    def _waits_for_others(self) -> bool:
        """Whether this rank has done its share and others have not; the last one finishes the dataset."""
        out = Path(self.out)
        return all(chunk_done(out, chunk) for chunk in self._share) and not self._all_chunks_done()

    def _all_chunks_done(self) -> bool:
        return all(chunk_done(Path(self.out), chunk) for chunk in self.plan.chunks)

    def run(self) -> None:
        if not self._all_chunks_done():
            return  # a rank that is not the last one
        finish(Path(self.out), Path(self.corpus_root), self.plan, self.max_failures)


def plan_file(out: Path, digest: str) -> Path:
    """Where a plan is kept."""
    return out / "work" / "plans" / f"{digest}.json"


@Build.event_handler(luigi.Event.DEPENDENCY_DISCOVERED)  # type: ignore[untyped-decorator]
def _announce(task: luigi.Task, _dependency: luigi.Task) -> None:
    """Luigi found something to do: show the build's progress from now on."""
    if isinstance(task, Build) and task.progress is None:
        load_models(landmark_model_path(Path(task.landmark_model) if task.landmark_model else None))  # forks share them
        task.progress = Progress(Path(task.out), task.plan)
        task.progress.start()
        atexit.register(_farewell, task)


def _farewell(task: Build) -> None:
    """The last words of a build, once Luigi is through with it."""
    if task.progress is not None:
        task.progress.stop()
    _tell(task)


@Build.event_handler(luigi.Event.DEPENDENCY_PRESENT)  # type: ignore[untyped-decorator]
def _nothing_to_do(task: luigi.Task) -> None:
    if isinstance(task, Build):
        if task.dataset_done:
            print(f"{printable(task.out)}: complete already, nothing to do")
        else:
            _tell(task)


def _tell(task: Build) -> None:
    if task.dataset_done:
        print(summary(Path(task.out), open_dataset(task.out).contents))
    elif task.complete():
        print(f"{printable(task.out)}: rank {task.rank} of {task.num_ranks} is done; the last one finishes the dataset")
