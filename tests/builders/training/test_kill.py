"""A training run that is killed goes on with exactly the samples that it had not trained on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sparkle.builders.training.dataset import PairDataset
from sparkle.builders.training.item import Clip

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")

TRAIN = Path(__file__).with_name("train_until_killed.py")
EPOCHS = 3


def train(release, folder, workers, *, kill_after=0):
    """Train in a process of its own, which is killed after so many steps."""
    command = [sys.executable, TRAIN, release, folder, str(workers), str(EPOCHS), str(kill_after)]
    done = subprocess.run(command, start_new_session=True, check=False)
    assert done.returncode == (-signal.SIGKILL if kill_after else 0)


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
    assert steps == EPOCHS * 5 + 2  # the one under way was done again, each time
    weights = [torch.load(folder / "weights.pt") for folder in (killed, whole)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])
