"""The driver: sources become candidates, candidates go through the steps one by one.

How it works:
- An outcome counts when it is on the disk; those that are ready at once share an fsync.
- A step runs over every sample that is still in, then the next step does: one GPU holds one model.
- An outcome that is there is used again when its fingerprint is the same and its artifacts are what
  they were; its verdict is taken again under today's thresholds. Otherwise the sample is done again.
- Samples with the same fingerprint in a step without artifacts (one source in several themes) are
  measured once.
- A rerun continues: what a kill left half done is not there, and a finished run does nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from functools import cache
from itertools import islice
from pathlib import Path

from msgspec import structs

from sparkle._cache import HashCache
from sparkle._progress import Progress, count_text, silent
from sparkle.generation.backends import list_models, pin_models
from sparkle.generation.config import RunConfig
from sparkle.generation.run.ahead import WholeRun
from sparkle.generation.run.executor import LocalExecutor
from sparkle.generation.run.fingerprints import run_packages, sample_fingerprint, step_identity
from sparkle.generation.run.finished import FinishedRuns, RunSummary, state_of
from sparkle.generation.run.folder import HeldArtifacts, RunFolder, open_run, run_document
from sparkle.generation.run.hashes import open_hashes
from sparkle.generation.run.jobs import HashFiles, Inspect, Process
from sparkle.generation.run.live import LiveStatus
from sparkle.generation.run.sources import ListedSource, licences, new_candidates, refuse_unreadable
from sparkle.generation.run.status import RunStatus
from sparkle.generation.run.timings import Timings
from sparkle.generation.steps import make_step
from sparkle.generation.steps.base import AnyStep, SampleState
from sparkle.schemas import records as r
from sparkle.schemas.errors import RunError, ServiceError, SourceGoneError
from sparkle.schemas.funnel import Fate, make_funnel
from sparkle.schemas.load import load
from sparkle.schemas.records import Record
from sparkle.schemas.rules import judge
from sparkle.schemas.stages import STEP_BY_NAME, STEP_NAMES, STEPS

# Failures that may be gone the next time: a source may be back, a service may answer.
_MAY_PASS = (SourceGoneError.__name__, ServiceError.__name__)

_INSPECTED = 10_000  # sources that are written down together, in the list's order
_TOGETHER = 1000  # verdicts that are taken again, or hashes of sources, that share an fsync


class Driver:
    """Takes one run from wherever it is to its end."""

    def __init__(
        self,
        run: RunFolder,
        config: RunConfig,
        executor: LocalExecutor,
        hashes: HashCache,
        progress: Progress,
        show: Callable[[RunStatus], None] = lambda status: None,
        timings: Timings | None = None,
    ) -> None:
        self.run = run
        self.config = config
        self.executor = executor
        self.progress = progress
        self.show = show
        self.timings = timings
        self.hashes = hashes
        self.places: dict[str, str] = {}  # of sources that have moved
        self.unreadable: dict[Path, str] = {}
        self.held = HeldArtifacts(run.reclaimed, hashes)
        self.processed = 0
        self.judged_again = 0

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
                advance(sum(len(hashes) for hashes in ready))
        hashed = []
        for item in listed:
            try:
                hashed.append((known.get(item.place) or self.hashes.sha256(item.path), item))
            except (OSError, ValueError) as error:  # ValueError: a NUL in its name
                self.unreadable[item.path] = getattr(error, "strerror", None) or str(error)
        return hashed

    def work(self) -> RunSummary:
        """Take every candidate through the steps."""
        self.run.load_outcomes()
        ids = sorted(self.run.candidates)
        self.live = LiveStatus(self.run.epoch.folder, len(ids), self.executor, self.show, self.timings)
        with WholeRun(self.config, self.executor.workers, self.progress) as whole, closing(self.live):
            for name in STEP_NAMES:
                ids = self._run_step(make_step(name, self.config), ids, whole)
        funnel = make_funnel(len(self.run.candidates), sorted(self.run.candidates), self._verdict)
        if not self.run.finished:
            self.run.finish(funnel)
        return RunSummary(
            funnel, self.processed, self.judged_again, tuple(self._failures()), tuple(self._notes())
        )

    @property
    def may_pass(self) -> bool:
        """Whether there are failures that the next run may not meet."""
        return bool(self.unreadable) or any(
            found.error is not None and found.error.get("kind") in _MAY_PASS
            for outcomes in self.run.outcomes.values()
            for kind in _MAY_PASS
            for found in outcomes.mentioning(kind)
        )

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
                    yield f"{candidate.id} {self._source(candidate).path}: {found.why}"
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
                yield f"{candidate.id} {self._source(candidate).path}: {note}"

    def _source(self, candidate: r.Candidate) -> r.SourceRecord:
        """The candidate's source where it is now: a listed file may have moved since it was first seen."""
        source = self.run.sources[candidate.source]
        place = self.places.get(candidate.source)
        return source if place is None else structs.replace(source, path=place)

    def _sample(self, step: AnyStep, sample_id: str) -> SampleState:
        """The sample with what the step needs of those before it, all of which kept it."""
        candidate = self.run.candidates[sample_id]
        records: dict[str, Record] = {}
        artifacts: dict[str, r.ArtifactRef] = {}
        for name in _inputs_of(type(step)):
            outcome = self.run.outcomes[name].get(sample_id)
            assert outcome is not None  # noqa: S101
            artifacts |= outcome.artifacts
            if name in step.needs:
                records[name] = load(r.STEP_RECORDS[name], outcome.record)
        return SampleState(candidate, self._source(candidate), records, artifacts)

    def _run_step(self, step: AnyStep, ids: list[str], whole: WholeRun) -> list[str]:
        """Bring a step's outcomes up to date; returns the samples that are still in."""
        identity = step_identity(step)
        outcomes = self.run.outcomes[step.name]
        pending: dict[bytes, str] = {}  # by fingerprint, the first sample that has it
        alike: defaultdict[str, list[str]] = defaultdict(list)  # by that, others that get the same outcome
        again: list[r.AnyOutcome] = []
        for sample_id in ids:
            fingerprint = sample_fingerprint(step, identity, self._sample(step, sample_id))
            found = outcomes.get(sample_id) if outcomes.made_from(sample_id, fingerprint) else None
            if found is not None and self._holds(step, found):
                today = self._judge(step, found)
                if today != found:
                    again.append(today)
                if len(again) == _TOGETHER:
                    self._write_judged(step, again)
                continue
            key = bytes.fromhex(fingerprint) + (sample_id.encode() if STEP_BY_NAME[step.name].makes else b"")
            first = pending.setdefault(key, sample_id)
            if first != sample_id:
                alike[first].append(sample_id)
        if again:
            self._write_judged(step, again)
        if pending:
            count = len(pending) + sum(map(len, alike.values()))
            whole.begin(step.name, count, ids, self.run.outcomes)
            self.live.begin(step.name, len(ids) - count, count)
            self._process(step, pending, alike, whole)
        return [sample_id for sample_id in ids if outcomes.verdict(sample_id).status == r.KEPT]

    def _process(
        self, step: AnyStep, pending: dict[bytes, str], alike: Mapping[str, list[str]], whole: WholeRun
    ) -> None:
        self.run.start_work()
        title = f"step {STEP_NAMES.index(step.name) + 1} of {len(STEP_NAMES)}: {step.name}"
        with self.progress(title, len(pending)) as advance:
            for ready in self.executor.map(self._jobs(step, pending), on_gpu=step.on_gpu):
                outcomes = [
                    structs.replace(done.outcome, id=sample_id)
                    for done in ready
                    for sample_id in (done.outcome.id, *alike.get(done.outcome.id, ()))
                ]
                self.run.accept(ready, {step.name: outcomes})
                self.hashes.remember(
                    {
                        self.run.root / kind.path(done.outcome.id): done.outcome.artifacts[kind.name].sha256
                        for done in ready
                        for kind in STEP_BY_NAME[step.name].makes
                        if kind.name in done.outcome.artifacts
                    }
                )
                self.processed += len(outcomes)
                for _ in outcomes:
                    whole.did(step.name)
                for done in ready:
                    self.live.did(
                        step.name,
                        1 + len(alike.get(done.outcome.id, ())),
                        done.seconds,
                        on_gpu=step.on_gpu,
                        failed=done.outcome.status == r.FAILED,
                        left=whole.left,
                    )
                advance(len(ready))
        self.run.drop()

    def _jobs(self, step: AnyStep, pending: Mapping[bytes, str]) -> Iterator[Process]:
        for key, sample_id in pending.items():
            sample = self._sample(step, sample_id)
            held = self.held.inputs(step.reads, sample_id, sample.artifacts)
            yield Process(
                self.run.root, self.run.epoch.folder, self.config, step.name, sample, key[:32].hex(), held
            )

    def _holds(self, step: AnyStep, found: r.AnyOutcome) -> bool:
        """Return whether an outcome, made from the same, may be used again."""
        if found.error is not None and found.error.get("kind") in _MAY_PASS:
            return False
        return self._intact(step, found)

    def _judge(self, step: AnyStep, found: r.AnyOutcome) -> r.AnyOutcome:
        """An outcome under today's thresholds."""
        if found.status == r.FAILED:
            return found
        reason = judge(step.name, load(r.STEP_RECORDS[step.name], found.record), self.config.thresholds)
        return structs.replace(found, status=r.REJECTED if reason else r.KEPT, reason=reason)

    def _write_judged(self, step: AnyStep, outcomes: list[r.AnyOutcome]) -> None:
        self.run.judge_again(step.name, outcomes)
        self.judged_again += len(outcomes)
        outcomes.clear()

    def _intact(self, step: AnyStep, outcome: r.AnyOutcome) -> bool:
        for kind in STEP_BY_NAME[step.name].makes:
            reference = outcome.artifacts.get(kind.name)
            path = self.run.root / kind.path(outcome.id)
            if reference is None or self.held.has(kind, outcome.id, reference):
                continue
            if not path.is_file() or path.stat().st_size != reference.size:
                return False
            if self.hashes.sha256(path) != reference.sha256:
                return False
        return True


def _document(config: RunConfig, shard: tuple[int, int]) -> bytes:
    return run_document(config, shard, {"packages": run_packages(config), "models": list_models(config)})


@cache
def _inputs_of(step: type[AnyStep]) -> list[str]:
    """The steps of which a step reads a record or an artifact."""
    makers = (info.name for info in STEPS if set(info.makes) & set(step.reads))
    return list(dict.fromkeys([*step.needs, *makers]))


def generate(
    listed: list[ListedSource],
    out: Path,
    config: RunConfig,
    *,
    workers: int,
    shard: tuple[int, int],
    id_offset: int = 0,
    shared_hashes: Path | None = None,
    timings: Path | None = None,
    progress: Progress = silent,
    show: Callable[[RunStatus], None] = lambda status: None,
    say: Callable[[str], None] = lambda text: None,
) -> RunSummary:
    """Make a run of what is listed, or bring the run that is there to its end.

    Raises:
        RunError: the folder cannot be used, or a worker died; a rerun continues.
        SourceListError: no source can be read, or a line of `shared_hashes` is bad.
    """
    # What is unknown or missing (a backend, an option, a model, a package) is found before anything starts.
    config = pin_models(config)
    document = _document(config, shard)
    with (
        open_run(out, shard=shard) as run,
        closing(HashCache()) as hashes,
        closing(FinishedRuns()) as finished,
        LocalExecutor(workers) as executor,
    ):
        if len(run.reclaimed):
            say(
                f"note: in tars of a release: {count_text(len(run.reclaimed), 'artifact')} of this run, "
                "which count as made; what a step reads of them is taken out while it works"
            )

        def state() -> str:
            return state_of(out, config, document, listed, id_offset)

        if run.finished and (summary := finished.recall(out, state())) is not None:
            return summary
        run.load()
        noted = None if timings is None else Timings(timings)
        driver = Driver(run, config, executor, hashes, progress, show, noted)
        try:
            driver.ingest(listed, shard, id_offset, shared_hashes)
            summary = driver.work()
        except RunError:
            run.epoch.check()  # workers cannot write when it is over: that is what is to be said then
            raise
        if not driver.may_pass:
            finished.remember(out, state(), summary)
        return summary
