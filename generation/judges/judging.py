"""Many edits judged at once; what was said of each, as soon as it is known.

- The first is judged alone: whatever would stop the run (a wrong key, another model) costs one question.
- What stops the run while others are under way lets those end, whose answers are paid for.
- What a judge could not say this time is an opinion without an answer, so that the next run asks again. One
  whose answer is not in the cache, and who may not ask, says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice

from sparkle.generation.backends.vlm.openai import NotKeptError
from sparkle.generation.judges.judge import Judge, JudgedEdit, Opinion
from sparkle.schemas.errors import SampleError, SparkleError

Task = tuple[JudgedEdit, int]
"""An edit, and which time it is judged, from 1."""


def judge_all(judge: Judge, tasks: Sequence[Task]) -> Iterator[tuple[Task, Opinion | None]]:
    """Yield what a judge says of edits, in the order in which it says it.

    Args:
        judge: The judge, set up.
        tasks: What it is to judge.

    Yields:
        The task, and the opinion; None where nobody may be asked and nothing is kept.

    Raises:
        SparkleError: it cannot go on; what it had said by then was yielded before.
    """
    waiting = iter(tasks)
    for task in islice(waiting, 1):
        yield task, _opinion(judge, task)
    pool = ThreadPoolExecutor(judge.workers)
    flying: dict[Future[Opinion | None], Task] = {}
    stopped: SparkleError | None = None
    try:
        while True:
            room = 0 if stopped else judge.workers - len(flying)
            for task in islice(waiting, room):
                flying[pool.submit(_opinion, judge, task)] = task
            if not flying:
                break
            done, _ = wait(flying, return_when=FIRST_COMPLETED)
            for future in done:
                task = flying.pop(future)
                try:
                    opinion = future.result()
                except SparkleError as error:
                    stopped = stopped or error
                    continue
                yield task, opinion
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if stopped is not None:
        raise stopped


def _opinion(judge: Judge, task: Task) -> Opinion | None:
    try:
        return judge.judge(*task)
    except NotKeptError:
        return None
    except SampleError as error:
        said = " ".join(filter(None, (f"{error.problem}:" if error.got else error.problem, error.got)))
        return Opinion(reason=said[:_SHOWN], attempts=0)


_SHOWN = 500  # characters of what went wrong
