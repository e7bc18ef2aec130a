"""A training run that is killed goes on with exactly the samples that it had not trained on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sparkle.builders.training.dataset import PairDataset
from sparkle.builders.training.item import Clip

torch = pytest.importorskip("torch")

TRAIN = Path(__file__).with_name("train_until_killed.py")
EPOCHS = 3


def train(release, folder, workers, *, kill_after=None):
    """Train in a process of its own; kill it once it has trained so many steps."""
    command = [sys.executable, TRAIN, release, folder, str(workers), str(EPOCHS)]
    log = folder / "log.jsonl"
    before = len(log.read_bytes().splitlines()) if log.exists() else 0
    with subprocess.Popen(command, start_new_session=True) as process:
        while process.poll() is None:
            steps = len(log.read_bytes().splitlines()) - before if log.exists() else 0
            if kill_after is not None and steps >= kill_after:
                os.killpg(process.pid, signal.SIGKILL)
                break
            time.sleep(0.01)
    assert process.returncode == (0 if kill_after is None else -signal.SIGKILL)


def trained(folder):
    """The ids that were trained on, and how many steps were done; a step that was lost is done again."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    steps = {line["step"]: line["ids"] for line in lines}
    return [name for step in sorted(steps) for name in steps[step]], len(lines)


def test_a_killed_training_sees_exactly_the_remaining_samples(shared_release, tmp_path):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for folder in (killed, whole):
        folder.mkdir()
    train(shared_release, killed, 2, kill_after=4)
    train(shared_release, killed, 0, kill_after=5)
    train(shared_release, killed, 1)
    train(shared_release, whole, 0)
    ids, steps = trained(killed)
    pairs = PairDataset(shared_release, clip=Clip(frames=1), seed=11)
    order = pairs.order(batch_size=2)
    assert ids == [pairs.parts[0].ids[row] for epoch in range(EPOCHS) for row in order.epoch(epoch).rows]
    assert steps <= EPOCHS * 5 + 2  # at most the one under way was done again, each time
    weights = [torch.load(folder / "weights.pt") for folder in (killed, whole)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])
