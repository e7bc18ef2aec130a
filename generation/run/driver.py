"""The driver: sources become candidates, candidates go through the steps one by one.

How it works:
- An outcome counts when it is on the disk; those that are ready at once share an fsync.
- By step, a step runs over every sample that is still in, then the next step does: one GPU holds one model.
  Streaming, each sample goes on at once (`stream`). What a sample has to do is the same (`journey`), and so
  is every byte of the run.
- Samples with the same fingerprint in a step without artifacts (one source in several themes) are
  measured once.
- A rerun continues: what a kill left half done is not there, and a finished run does nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from sparkle._cache import HashCache
from sparkle._extras import require
from sparkle._processes import cpus
from sparkle._progress import Progress, count_text, silent
from sparkle.generation.backends import list_models, pin_models
from sparkle.generation.config import RunConfig
from sparkle.generation.run.ahead import WholeRun
from sparkle.generation.run.cluster import ClusterOptions, refuse_devices
from sparkle.generation.run.executor import Executor
from sparkle.generation.run.fingerprints import run_packages
from sparkle.generation.run.finished import FinishedRuns, RunSummary, state_of
from sparkle.generation.run.fleet import GPU_BYTES
from sparkle.generation.run.folder import RunFolder, open_run, run_document
from sparkle.generation.run.hashes import open_hashes
from sparkle.generation.run.jobs import HashFiles, Inspect
from sparkle.generation.run.journey import Journeys, Todo
from sparkle.generation.run.live import LiveStatus
from sparkle.generation.run.local import LocalExecutor
from sparkle.generation.run.plan import workload
from sparkle.generation.run.schedule import PER_GPU, PER_PROCESSOR, Schedule
from sparkle.generation.run.schedules import BY_STEP, Streaming, make_schedule
from sparkle.generation.run.sources import ListedSource, licences, new_candidates, refuse_unreadable
from sparkle.generation.run.status import RunStatus
from sparkle.generation.run.stream import SampleStream
from sparkle.generation.run.timings import Timings
from sparkle.generation.steps import make_step
from sparkle.schemas import records as r
from sparkle.schemas.errors import RunError
from sparkle.schemas.funnel import Fate, make_funnel
from sparkle.schemas.stages import STEP_NAMES

if TYPE_CHECKING:
    from sparkle.generation.run.ray_executor import RayExecutor

_INSPECTED = 10_000  # sources that are written down together, in the list's order
_TOGETHER = 1000  # sources that a worker hashes at once


class Driver:
    """Takes one run from wherever it is to its end."""

    def __init__(
        self,
        run: RunFolder,
        config: RunConfig,
        executor: Executor,
        hashes: HashCache,
        progress: Progress,
        live: LiveStatus | None = None,
    ) -> None:
        self.run = run
        self.config = config
        self.executor = executor
        self.progress = progress
        self.hashes = hashes
        self.places: dict[str, str] = {}  # of sources that have moved
        self.unreadable: dict[Path, str] = {}
        self.live = live or LiveStatus(run.epoch.folder, config, executor)
        self.journeys = Journeys(run, config, hashes, self.places, self.live)
        self.processed = 0

    def ingest(
        self,
        listed: list[ListedSource],
        shard: tuple[int, int],
        id_offset: int,
        shared: Path | None = None,
    ) -> None:
        """Write down the configuration, and the sources and candidates that are new.

        Args:
            listed: The sources.
            shard: (index, count) of the candidates that the run has.
            id_offset: Where ids begin.
            shared: A file of hashes, which may lack some or all.
        """
        if shared is None:
            hashed = self._hash(listed, {})
        else:
            with open_hashes(shared) as file:
                named = file.find([item.place for item in listed])
                hashed = self._hash(listed, named)
                file.add({item.place: sha256 for sha256, item in hashed if item.place not in named})
        refuse_unreadable(self.unreadable, hashed, shard)
        known = self.run.sources
        licence = licences(known, hashed)
        candidates = new_candidates(self.run.candidates.records(), hashed, shard, id_offset)
        new = dict.fromkeys(each.source for each in candidates if each.source not in known)  # in this order
        place = {sha256: item.place for sha256, item in reversed(hashed) if sha256 in new}
        self.run.configure(_document(self.config, shard))
        if candidates:
            self.run.start_work()
        waiting = iter(new)
        with self.progress("sources", len(new)) as advance:
            while some := list(islice(waiting, _INSPECTED)):
                found: dict[str, r.SourceRecord] = {}
                jobs = (Inspect(Path(place[sha256]), sha256, licence[sha256]) for sha256 in some)
                for ready in self.executor.map(jobs):
                    found.update((source.sha256, source) for source in ready)
                    self.live.beat()
                    advance(len(ready))
                self.run.epoch.check()
                self.run.sources.append([found[sha256] for sha256 in some])
        self.run.epoch.check()
        self.run.candidates.append(candidates)
        for sha256, item in reversed(hashed):  # the first that is listed counts
            if sha256 in known:
                self.places[sha256] = item.place
                if known[sha256].path == item.place:
                    del self.places[sha256]

    def _hash(
        self, listed: Sequence[ListedSource], known: Mapping[str, str]
    ) -> list[tuple[str, ListedSource]]:
        """What can be read, each with the sha256 of its file; workers hash what is not known.

        Args:
            listed: The sources.
            known: Hashes by place.
        """
        unknown: dict[str, None] = {}
        for item in listed:
            with suppress(OSError, ValueError):
                if item.place not in known and self.hashes.find(item.path) is None:
                    unknown[item.place] = None
        paths = [Path(place) for place in unknown]
        share = max(1, min(_TOGETHER, len(paths) // (4 * self.executor.workers)))
        jobs = [HashFiles(paths[at : at + share]) for at in range(0, len(paths), share)]
        with self.progress("hashing sources", len(paths)) as advance:
            for ready in self.executor.map(jobs):
                for hashes in ready:
                    self.hashes.remember(hashes)
                self.live.beat()
                advance(sum(len(hashes) for hashes in ready))
        hashed = []
        for item in listed:
            try:
                hashed.append((known.get(item.place) or self.hashes.sha256(item.path), item))
            except (OSError, ValueError) as error:  # ValueError: a NUL in its name
                self.unreadable[item.path] = getattr(error, "strerror", None) or str(error)
        return hashed

    def work(self, schedule: Schedule | None = None, keep_free: int = 0) -> RunSummary:
        """Take every candidate through the steps.

        Args:
            schedule: By which they stream; None goes step by step.
            keep_free: Bytes that the disk keeps: with less, no sample begins to stream.
        """
        self.run.load_outcomes()
        self.live.start(len(self.run.candidates), schedule)
        if schedule is None:
            self._by_step()
        else:
            self._stream(schedule, keep_free)
        funnel = make_funnel(len(self.run.candidates), sorted(self.run.candidates), self._verdict)
        if not self.run.finished:
            self.run.finish(funnel)
        return RunSummary(
            funnel,
            self.processed,
            self.journeys.judged_again,
            tuple(self._failures()),
            tuple(self._notes()),
        )

    @property
    def may_pass(self) -> bool:
        """Whether there are failures that the next run may not meet."""
        return bool(self.unreadable) or any(True for _ in self.journeys.failures())

    def _verdict(self, step: str, sample_id: str) -> Fate:
        return self.run.outcomes[step].verdict(sample_id)

    def _failures(self) -> Iterator[str]:
        """Yield each source that cannot be read and each failed sample, with its file and what was wrong."""
        for path, problem in self.unreadable.items():
            yield f"{path}: {problem}"
        for candidate in self.run.candidates.records():
            for step in STEP_NAMES:
                found = self._verdict(step, candidate.id)
                if found.status == r.FAILED:
                    yield f"{candidate.id} {self.journeys.source(candidate).path}: {found.why}"
                if found.status != r.KEPT:
                    break

    def _notes(self) -> Iterator[str]:
        """Yield what was done to the frames of sources, each with its file; see `NormaliseRecord`."""
        noted = {
            outcome.id: (outcome.record or {}).get("notes", ())
            for outcome in self.run.outcomes["normalise"].mentioning('"notes"')
        }
        for candidate in self.run.candidates.records() if noted else ():
            for note in noted.get(candidate.id, ()):
                yield f"{candidate.id} {self.journeys.source(candidate).path}: {note}"

    def _stream(self, schedule: Schedule, keep_free: int) -> None:
        """Take every sample on as soon as it can go on."""
        count = len(self.run.candidates)
        ended = 0
        with self.progress("samples", count) as advance:

            def end() -> None:
                nonlocal ended
                ended += 1
                self.live.left = 1 - ended / count
                advance()

            stream = SampleStream(self.journeys, schedule, list(self.run.candidates), keep_free, end)
            stream.work(self.executor)
        self.journeys.write_judged()
        self.run.drop()
        self.processed += stream.processed

    def _by_step(self) -> None:
        """Take all samples through a step, then through the next."""
        ids = sorted(self.run.candidates)
        with WholeRun(self.config, self.executor.workers, self.progress) as whole:
            for name in STEP_NAMES:
                ids = self._run_step(name, ids, whole)

    def _run_step(self, step: str, ids: list[str], whole: WholeRun) -> list[str]:
        """Bring a step's outcomes up to date; returns the samples that are still in."""
        pending: dict[bytes, str] = {}  # by what they have in common, the first sample that has it
        alike: defaultdict[str, list[str]] = defaultdict(list)  # by that, others that get the same outcome
        for sample_id in ids:
            found = self.journeys.look(step, sample_id)
            if isinstance(found, Todo):
                first = pending.setdefault(found.key(sample_id), sample_id)
                if first != sample_id:
                    alike[first].append(sample_id)
        self.journeys.write_judged()
        if pending:
            count = len(pending) + sum(map(len, alike.values()))
            whole.begin(step, count, ids, self.run.outcomes)
            self.live.begin(step, len(ids) - count, count)
            self._process(step, pending, alike, whole)
        outcomes = self.run.outcomes[step]
        return [sample_id for sample_id in ids if outcomes.verdict(sample_id).status == r.KEPT]

    def _process(
        self, step: str, pending: dict[bytes, str], alike: Mapping[str, list[str]], whole: WholeRun
    ) -> None:
        todo = ((Todo(step, key[:32].hex()), sample_id) for key, sample_id in pending.items())
        jobs = (self.journeys.process(each, sample_id) for each, sample_id in todo)
        title = f"step {STEP_NAMES.index(step) + 1} of {len(STEP_NAMES)}: {step}"
        with self.progress(title, len(pending)) as advance:
            for ready in self.executor.map(jobs, on_gpu=make_step(step, self.config).on_gpu):
                outcomes = [
                    structs.replace(done.outcome, id=sample_id)
                    for done in ready
                    for sample_id in (done.outcome.id, *alike.get(done.outcome.id, ()))
                ]
                for _ in outcomes:
                    whole.did(step)
                self.live.left = whole.left
                self.journeys.accept(ready, {step: outcomes})
                self.processed += len(outcomes)
                advance(len(ready))
        self.run.drop()


def _document(config: RunConfig, shard: tuple[int, int]) -> bytes:
    return run_document(config, shard, {"packages": run_packages(config), "models": list_models(config)})


def generate(
    listed: list[ListedSource],
    out: Path,
    config: RunConfig,
    *,
    workers: int | None,
    shard: tuple[int, int],
    id_offset: int = 0,
    shared_hashes: Path | None = None,
    timings: Path | None = None,
    cluster: ClusterOptions | None = None,
    schedule: str = BY_STEP,
    progress: Progress = silent,
    show: Callable[[RunStatus], None] = lambda status: None,
    say: Callable[[str], None] = lambda text: None,
) -> RunSummary:
    """Make a run of what is listed, or bring the run that is there to its end.

    Args:
        listed: The sources.
        out: The run folder.
        config: Its configuration.
        workers: Processes that share what is not on a GPU; None is one per CPU.
        shard: (index, count) of the candidates that the folder has.
        id_offset: Where ids begin.
        shared_hashes: A file of hashes of sources.
        timings: A file that notes what steps take.
        cluster: Does the work; None is this machine.
        schedule: One of SCHEDULES, for this machine.
        progress: Shows what is done.
        show: Is given how the run goes, every second or so.
        say: Told what there is to know.

    Raises:
        RunError: the folder cannot be used, or a worker died; a rerun continues.
        SourceListError: no source can be read, or a line of `shared_hashes` is bad.
        ConfigError: something of the configuration is missing, or the models do not fit as they should.
    """
    if cluster is not None:
        refuse_devices(config)
    # What is unknown or missing (a backend, an option, a model, a package) is found before anything starts.
    config = pin_models(config)
    document = _document(config, shard)
    with (
        open_run(out, shard=shard) as run,
        closing(HashCache()) as hashes,
        closing(FinishedRuns()) as finished,
    ):
        if len(run.reclaimed):
            say(
                f"note: in tars of a release: {count_text(len(run.reclaimed), 'artifact')} of this run, "
                "which count as made; what a step reads of them is copied out while it works"
            )

        def state() -> str:
            return state_of(out, config, document, listed, id_offset)

        if run.finished and (summary := finished.recall(out, state())) is not None:
            return summary
        run.load()
        options = ClusterOptions(schedule=schedule) if cluster is None else cluster
        noted = None if timings is None else Timings(timings)
        with (
            _executor(run, config, workers, cluster, say) as executor,
            closing(LiveStatus(run.epoch.folder, config, executor, show, noted)) as live,
        ):
            driver = Driver(run, config, executor, hashes, progress, live)
            try:
                driver.ingest(listed, shard, id_offset, shared_hashes)
                summary = driver.work(_schedule(config, executor, options), options.keep_free)
            except RunError:
                run.epoch.check()  # workers cannot write when it is over: that is what is to be said then
                raise
        if not driver.may_pass:
            finished.remember(out, state(), summary)
        return summary


def _executor(
    run: RunFolder,
    config: RunConfig,
    workers: int | None,
    cluster: ClusterOptions | None,
    say: Callable[[str], None],
) -> LocalExecutor | RayExecutor:
    if cluster is None:
        return LocalExecutor(workers or cpus())
    require("ray", "2.52", extra="ray", whom="a run on a cluster")
    from sparkle.generation.run.ray_executor import RayExecutor

    return RayExecutor(cluster, run.root, config, workers, say)


def _schedule(config: RunConfig, executor: Executor, options: ClusterOptions) -> Schedule | None:
    """The schedule by which samples stream; None goes by step."""
    if options.schedule == BY_STEP:
        return None
    work = workload(config)
    vram = options.vram or (executor.vram() if work.models else 0)
    window = options.window or PER_GPU * executor.gpus + PER_PROCESSOR * executor.workers
    found = make_schedule(work, executor.gpus, vram or GPU_BYTES, options.schedule, window)
    return found if isinstance(found, Streaming) else None
