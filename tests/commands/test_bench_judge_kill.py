"""A judge that is killed, or whose disk is full, pays for no answer twice and ends in the same bytes."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("openai", reason="needs the extra vlm: pip install 'sparkle-dataset[vlm]'")

KILLS, AT_ONCE = 10, 3
RATION, REPEATS = 8, 30  # answers per killed run; no ten runs get them all

# One process that has imported everything, and forks for each run.
RUNS = """
import json, os, sys
import openai
import sparkle.commands.bench_judge, sparkle.commands.judging, sparkle.generation.judges.openai
from sparkle.commands import main

for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        sys.stdout = sys.stderr
        main(json.loads(line))
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


@pytest.mark.slow
def test_ten_kills_pay_for_no_answer_twice_but_those_under_way(judged_bench):
    judged_bench.configure(concurrency=AT_ONCE)
    words = json.dumps(judged_bench.words("--repeats", REPEATS))
    endpoint, rng = judged_bench.endpoint, np.random.Generator(np.random.PCG64(16))
    endpoint.delay = 0.03
    answers = Rationed(endpoint.answer)
    endpoint.answer = answers
    command = [sys.executable, "-P", "-c", RUNS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as runs:
        for _ in range(KILLS):
            before = len(endpoint.requests)
            answers.allow(RATION)
            pid = start(runs, words)
            # More than can be under way: a run that kept nothing would pay for some of them twice.
            endpoint.wait_for_requests(before + AT_ONCE + int(rng.integers(1, 5)))
            time.sleep(rng.uniform(0, 2 * endpoint.delay))
            os.kill(pid, signal.SIGKILL)
            assert ended(runs) == -signal.SIGKILL
        answers.allow(10**6)
        start(runs, words)
        assert ended(runs) == 0
        runs.stdin.close()
    asked = {json.dumps(body, sort_keys=True) for body in endpoint.requests}
    verdicts = judged_bench.verdicts().verdicts
    assert len(asked) == len(verdicts) == len(judged_bench.items) * REPEATS
    paid = len(endpoint.requests)
    # What a killed run had sent may be recorded late, so only their sum is certain.
    assert paid <= len(asked) + KILLS * AT_ONCE
    killed = judged_bench.out.read_bytes()
    judged_bench.out.unlink()
    assert judged_bench.judge("--repeats", REPEATS).exit_code == 0  # from the cache
    assert judged_bench.out.read_bytes() == killed
    assert len(endpoint.requests) == paid


class Rationed:
    """An endpoint's answers, of which only so many are given: no run ends before it is killed."""

    def __init__(self, answer: Callable[[dict], str]) -> None:
        self._answer, self._left = answer, threading.Semaphore(0)

    def allow(self, count: int) -> None:
        """Give so many from now on; those that waited were a killed run's, and nobody hears them."""
        waiting, self._left = self._left, threading.Semaphore(count)
        waiting.release(AT_ONCE)

    def __call__(self, body: dict) -> str:
        self._left.acquire()
        return self._answer(body)


@pytest.mark.slow
@pytest.mark.parametrize("room", [500, 6000])  # bytes of a file: before the first verdict, and after some
def test_a_full_disk_is_said_and_loses_no_verdict(judged_bench, room):
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    words = judged_bench.words("--repeats", 6)
    command = [sys.executable, "-m", "sparkle", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limited)
    assert done.returncode == 2
    assert "the system refused: File too large" in done.stderr
    assert judged_bench.judge("--repeats", 6).exit_code == 0
    verdicts = len(judged_bench.items) * 6
    assert len(judged_bench.endpoint.requests) == verdicts + 1  # the one that found no room
    written = judged_bench.out.read_bytes()
    judged_bench.out.unlink()
    judged_bench.judge("--repeats", 6)
    assert judged_bench.out.read_bytes() == written


def start(runs: subprocess.Popen[str], words: str) -> int:
    """Begin a run; gives its process."""
    print(words, file=runs.stdin, flush=True)
    return int(runs.stdout.readline())


def ended(runs: subprocess.Popen[str]) -> int:
    """Wait for the end of a run."""
    return int(runs.stdout.readline())
