"""What the builds share, as a Luigi task: flags, the plan, chunks of videos as its requirements, and finishing."""

from __future__ import annotations

import atexit
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import luigi

from pipeline import log
from pipeline.building.begin import Order, begin
from pipeline.building.changes import listed_changes
from pipeline.building.chunk import BACKENDS
from pipeline.building.finish import dataset_done, finish, summary
from pipeline.building.forecast import forecast, told
from pipeline.building.luigi_chunk import Done, PrepareChunk
from pipeline.building.progress import Progress
from pipeline.building.record import chunk_done
from pipeline.building.upkeep import keep_apart
from pipeline.cli import printable
from pipeline.corpora import Source, as_inventory
from pipeline.errors import InputError
from pipeline.layout import DATASET_FILE
from pipeline.preparing.video import load_models
from pipeline.result import SOUND_SCORES
from pipeline.run_file import RUN_FILE, task_table, write_run_file
from pipeline.settings import AFTER_DAMAGE, CENTRE_NAMES, DEVICES, SCENES, Settings, digest_of, smoothing_of
from pipeline.shards.dataset import BANKS_FROM, open_dataset
from pipeline.shards.schema import STORAGES
from pipeline.tracking import TrackSettings
from pipeline.tracking.landmark_model import landmark_model_path

RUN_FILE_TOLD = "All that this dataset was built with; flnet build takes it with --config."
OF_ONE_RUN = ("rank", "num_ranks", "retry_failed", "rescan")  # flags that another run is not to have
_DEFAULT = Settings()


def bank_from_parameter(default: str) -> luigi.ChoiceParameter:
    """The flag --bank-from with a corpus's own default."""
    return luigi.ChoiceParameter(
        choices=BANKS_FROM,
        default=default,
        significant=False,
        description="where training takes a target's bank from: its own video, or another one of its speaker",
    )


class Build(luigi.Task):  # type: ignore[misc]
    """Builds a dataset: the class to derive from for a corpus that none of the ready ones reads.

    A subclass says in `sources` which clips there are, who speaks in each and which split each belongs to; all flags,
    resuming, checking and the report come with this class (docs/corpora.md has an example). What it may set besides:

    Attributes:
        corpus: a word for the kind of corpus, noted in `dataset.json`.
        bank_from: `bank_from_parameter("other")` where a speaker's videos are alike enough for their banks to serve
            each other.
        crop_centre: the flag's default, by a `luigi.ChoiceParameter` of the same name.
        lists_anew: `sources` may be called whenever the user asks whether the corpus has grown.
    """

    corpus = "folder"
    lists_anew = True
    progress: Progress | None = None
    retry_count = 1  # of Luigi: what this task finds wrong, another try does not mend

    corpus_root = luigi.Parameter(default="", significant=False, description="folder of the corpus (required)")
    out = luigi.Parameter(default="out", description="folder for the dataset")
    exclude = luigi.OptionalParameter(
        default=None, description="file of what to leave out, one a line: an id, or frames of it (id#frame=17-42)"
    )
    bank_from = bank_from_parameter("own")
    max_failures = luigi.FloatParameter(
        default=0.05, significant=False, description="fraction of the videos that may fail before the build does"
    )
    frame_size = luigi.IntParameter(
        default=_DEFAULT.frame_size,
        description="side of the crops in pixels, a multiple of 16 from 128 to 512 (the paper's: 224)",
    )
    fps = luigi.FloatParameter(
        default=_DEFAULT.fps,
        description="frames a second to keep of videos that have more, each the nearest in time (0: all)",
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
    smooth_centres = luigi.Parameter(
        default="0", description="the same for the crop's centre alone; auto: as much as each video's jitter asks for"
    )
    audio = luigi.BoolParameter(description="keep each video's first sound track beside its frames: 16 kHz, mono")
    scores = luigi.BoolParameter(
        description="score heads and pictures, columns of the manifest: movement, orientation, completeness, "
        "resolution, rotation, consistency (as TalkVid has them), sharpness, exposure"
    )
    require = luigi.Parameter(
        default="",
        description="leave out videos whose scores are not so: 'orientation_min >= 30, movement_mean >= 80'",
    )
    storage = luigi.ChoiceParameter(
        choices=tuple(STORAGES),
        default=_DEFAULT.storage,
        description="how frames are compressed: losslessly (htj2k: smallest, slower), or a seventh of that by jpeg",
    )
    hwaccel = luigi.ChoiceParameter(
        choices=("", *DEVICES),
        default=_DEFAULT.hwaccel,
        description="decode by a device, or by the processor where that cannot (never run yet: none was at hand)",
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
        significant=False,
        description="list the corpus anew instead of keeping to the list of the first run; what is unchanged is kept",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # At once, for of what goes wrong here Luigi makes one line and an end, of what goes wrong later a failed task.
        self._check_flags()
        self.inventory, self.plan, self.changes = begin(self._order)
        self._share = self.plan.chunks[self.rank :: self.num_ranks]

    def sources(self) -> Sequence[Source]:
        """The corpus as it lies on disk now: its clips, best an `Inventory`, which also says what was left aside.

        Ids are paths below `corpus_root`. One person must be in one split only, unless there is no other person.
        """
        raise InputError(f"{self.task_family} builds nothing itself: use BuildFolder, BuildTable or BuildTimit")

    def source_options(self) -> dict[str, Any]:
        """The flags that decide `sources`: where they differ, the list of an earlier run does not hold."""
        return {}

    @property
    def _model(self) -> Path | None:
        return Path(self.landmark_model) if self.landmark_model else None

    @property
    def _settings(self) -> Settings:
        return Settings(
            frame_size=self.frame_size,
            fps=self.fps,
            centre=self.crop_centre,
            face_fraction=self.face_fraction,
            min_face_px=self.min_face_px,
            max_padding=self.max_padding,
            bank_size=self.bank_size,
            min_seconds=self.min_seconds,
            scenes=self.scenes,
            after_damage=self.after_damage,
            smooth_landmarks=self.smooth_landmarks,
            smooth_centres=smoothing_of(self.smooth_centres),
            audio=self.audio,
            scores=self.scores,
            require=self.require,
            storage=self.storage,
            hwaccel=self.hwaccel,
            track=TrackSettings(subpixel=self.subpixel_landmarks),
        )

    @property
    def _order(self) -> Order:
        return Order(
            out=Path(self.out),
            root=Path(self.corpus_root),
            corpus=self.corpus,
            settings=self._settings,
            listing=digest_of([self.task_family, self.source_options()]),
            sources=self.sources,
            exclude=Path(self.exclude) if self.exclude else None,
            bank_from=self.bank_from,
            rescan=self.rescan,
            retry_failed=self.retry_failed,
            alone=self.num_ranks == 1 and luigi.interface.core().local_scheduler,
        )

    def _check_flags(self) -> None:
        if not self.corpus_root:
            raise InputError(f"{self.task_family} needs the corpus: name its folder with --corpus-root")
        keep_apart(Path(self.out), Path(self.corpus_root))
        if not 0 <= self.max_failures <= 1:
            raise InputError(f"--max-failures must be a fraction in [0, 1], got {self.max_failures:g}")
        if not 0 <= self.rank < self.num_ranks:
            raise InputError(f"--rank must be in [0, --num-ranks {self.num_ranks}), got {self.rank}")
        if self.joblib_backend == "dask" and not self.dask_scheduler:
            raise InputError("--joblib-backend dask needs --dask-scheduler host:port")
        if self.require:
            self._check_demands()
        _ = self._settings  # checked as they are made, before the corpus is looked through
        landmark_model_path(self._model)

    def _check_demands(self) -> None:
        from pipeline.preparing.scores import demands  # here: it loads OpenCV

        if not self.audio and any(demand.column in SOUND_SCORES for demand in demands(self.require)):
            raise InputError(f"--require {self.require!r} is about sound, which is not kept without --audio")

    @property
    def notes(self) -> dict[str, Any]:
        """What `dataset.json` says beside the clips."""
        return {"bank_from": self.bank_from, **self.inventory.notes()}

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

    def prepare_to_start(self) -> None:
        """Say what is to come, and write down what was said."""
        out = Path(self.out)
        waiting = [chunk for chunk in self._share if not chunk_done(out, chunk)]
        videos = [video for chunk in waiting for video in chunk.videos]
        if videos:
            line, warning = told(forecast(Path(self.corpus_root), videos), out, self.storage, self.frame_size)
            log.note(printable(line))
            if warning:
                log.warn(printable(warning))
        write_run_file(
            out / RUN_FILE,
            self.command,
            task_table(self, without=("rank", "num_ranks", "retry_failed", "rescan")),
            RUN_FILE_TOLD,
        )

    @property
    def command(self) -> str:
        """The command of `flnet` that this is; a task of the user's own is none, and its table is called as it is."""
        return f"build {self.task_family.removeprefix('Build').lower()}"

    def output(self) -> luigi.Target:
        return Done(Path(self.out) / DATASET_FILE, lambda: self.dataset_done or self._waits_for_others())

    @property
    def dataset_done(self) -> bool:
        """Whether the dataset is complete."""
        return dataset_done(Path(self.out), self.plan, self.notes)

    def _waits_for_others(self) -> bool:
        """Whether this rank has done its share and others have not; the last one finishes the dataset."""
        out = Path(self.out)
        return all(chunk_done(out, chunk) for chunk in self._share) and not self._all_chunks_done()

    def _all_chunks_done(self) -> bool:
        return all(chunk_done(Path(self.out), chunk) for chunk in self.plan.chunks)

    def run(self) -> None:
        if not self._all_chunks_done():
            return  # a rank that is not the last one
        finish(Path(self.out), Path(self.corpus_root), self.plan, self.max_failures, self.notes)


@Build.event_handler(luigi.Event.DEPENDENCY_DISCOVERED)  # type: ignore[untyped-decorator]
def _announce(task: luigi.Task, _dependency: luigi.Task) -> None:
    """Luigi found something to do: show the build's progress from now on."""
    if isinstance(task, Build) and task.progress is None:
        for warning in task.inventory.warnings:
            log.warn(printable(warning))
        task.prepare_to_start()
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
            print(printable(f"{task.out}: complete already, nothing to do"))
            _tell_news(task)
        else:
            _tell(task)


def _tell(task: Build) -> None:
    if task.dataset_done:
        print(summary(Path(task.out), open_dataset(task.out).contents))
        _tell_news(task)
    elif task.complete():
        print(f"{printable(task.out)}: rank {task.rank} of {task.num_ranks} is done; the last one finishes the dataset")


def _tell_news(task: Build) -> None:
    """Say what has become of the corpus since it was listed."""
    if not Path(task.corpus_root).is_dir():
        print(printable(f"{task.corpus_root}: is not there; whether the corpus has grown or changed was not looked at"))
        return
    known = [source.id for source in task.inventory] + task.inventory.excluded
    try:
        now = [source.id for source in as_inventory(task.sources())] if task.lists_anew else known
    except InputError as error:
        print(printable(f"{task.corpus_root}: cannot be listed now ({error})"))
        return
    for line in listed_changes(known, now, task.changes.gone):
        print(printable(f"{task.out}: {line}"))
