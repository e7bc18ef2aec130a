"""Streaming: each sample goes on as soon as its step is done, as a schedule says.

- A sample begins while there is room in the schedule's window, and on the disk.
- Samples of one source ask for the same in some steps: what is under way or was done a moment ago is not done
  again. They are listed side by side, so they begin together.
"""

from __future__ import annotations

import shutil
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import structs

from sparkle._progress import size_text
from sparkle.generation.run.executor import Executor
from sparkle.generation.run.jobs import Done, Process, SetUp
from sparkle.generation.run.journey import Journeys, Todo
from sparkle.generation.run.schedule import Load, Schedule, Task
from sparkle.schemas import records as r
from sparkle.schemas.errors import RunError
from sparkle.schemas.stages import STEP_NAMES

_REMEMBERED = 10_000  # outcomes of a moment ago


class SampleStream:
    """The samples of a run, on their way through a schedule.

    Args:
        journeys: What each has to do next.
        schedule: Without workers.
        ids: The samples, in the order in which they begin.
        keep_free: Bytes that the disk keeps: with less, no sample begins.
        end: Told of each sample that has ended.
    """

    def __init__(
        self,
        journeys: Journeys,
        schedule: Schedule,
        ids: Iterable[str],
        keep_free: int,
        end: Callable[[], None],
    ) -> None:
        self.processed = 0
        self._journeys = journeys
        self._run = journeys.run
        self._schedule = schedule
        self._ids = iter(ids)
        self._keep_free = keep_free
        self._tell_end = end
        self._known: set[str] = set()  # to the schedule
        self._todo: dict[str, Todo] = {}
        self._alike: dict[bytes, list[str]] = {}  # by what is under way: who gets the same outcome
        self._lately: dict[bytes, str] = {}  # by what was done: whose outcome it is
        self._order: deque[bytes] = deque()

    def work(self, executor: Executor) -> None:
        """Take all samples to their ends.

        Raises:
            RunError: the work cannot go on.
        """
        self._begin()
        for answers in executor.stream(self._schedule, self._job):
            outcomes = defaultdict(list)
            for done in answers:
                key = self._todo[done.outcome.id].key(done.outcome.id)
                for sample_id in (done.outcome.id, *self._alike.pop(key)):
                    outcomes[done.step].append(structs.replace(done.outcome, id=sample_id))
                self._remember(key, done.outcome.id)
            self._go_on(self._write(answers, outcomes))
            self._begin()

    def _job(self, what: Task | Load) -> Process | SetUp:
        if isinstance(what, Load):
            return SetUp(self._journeys.config, what.pool)
        return self._journeys.process(self._todo[what.sample], what.sample, resident=True)

    def _begin(self) -> None:
        while self._schedule.room > 0:
            free = shutil.disk_usage(self._run.root).free
            if free < self._keep_free:
                if self._schedule.idle:
                    raise RunError(
                        "there is too little room for another sample",
                        got=f"{size_text(free)} free",
                        wanted=f"keep_free = {size_text(self._keep_free)}",
                        where=self._run.root,
                        fix="make room and run the same command again: nothing is lost",
                    )
                return
            sample_id = next(self._ids, None)
            if sample_id is None:
                return
            self._go_on([(sample_id, None)])

    def _go_on(self, moved: Sequence[tuple[str, str | None]]) -> None:
        """Bring samples, which a step has kept, to the next thing that they have to do."""
        while moved:
            copies: dict[str, list[r.AnyOutcome]] = defaultdict(list)
            for sample_id, after in moved:
                todo = self._journeys.next(sample_id, after)
                if todo is None:
                    self._end(sample_id)
                    continue
                self._todo[sample_id] = todo
                key = todo.key(sample_id)
                if key in self._alike:
                    self._alike[key].append(sample_id)
                elif key in self._lately:
                    outcome = self._run.outcomes[todo.step].get(self._lately[key])
                    assert outcome is not None  # noqa: S101
                    copies[todo.step].append(structs.replace(outcome, id=sample_id))
                else:
                    self._alike[key] = []
                    self._known.add(sample_id)
                    self._schedule.put(Task(sample_id, todo.step))
            moved = self._write((), copies)

    def _write(
        self, answers: Sequence[Done], outcomes: Mapping[str, list[r.AnyOutcome]]
    ) -> list[tuple[str, str | None]]:
        """Make outcomes durable; return the samples that go on, each with the step that kept it."""
        self._journeys.accept(answers, outcomes)
        kept: list[tuple[str, str | None]] = []
        for step in sorted(outcomes, key=STEP_NAMES.index):
            self.processed += len(outcomes[step])
            for outcome in outcomes[step]:
                del self._todo[outcome.id]
                if outcome.status == r.KEPT:
                    kept.append((outcome.id, step))
                else:
                    self._end(outcome.id)
        return kept

    def _end(self, sample_id: str) -> None:
        if sample_id in self._known:
            self._known.remove(sample_id)
            self._schedule.ended(sample_id)
        self._tell_end()

    def _remember(self, key: bytes, sample_id: str) -> None:
        self._lately[key] = sample_id
        self._order.append(key)
        if len(self._order) > _REMEMBERED:
            del self._lately[self._order.popleft()]
