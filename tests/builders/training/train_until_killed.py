"""Trains a tiny model: `train_until_killed.py RELEASE FOLDER WORKERS EPOCHS STEPS`; it goes on where it was.

Each step is noted in log.jsonl; then the weights and the sampler's state are put in place together, by one
rename. After STEPS of its own it kills itself and its workers between the two; 0 is never.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import torch

from sparkle.builders.training.dataset import PairDataset
from sparkle.builders.training.item import Clip
from sparkle.builders.training.tensors import collate


def main() -> None:
    release, folder = Path(sys.argv[1]), Path(sys.argv[2])
    workers, epochs, left = map(int, sys.argv[3:])
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    pairs = PairDataset(release, clip=Clip(frames=1), tensors="CTHW", seed=11)
    sampler = pairs.sampler(batch_size=2)
    step, state = 0, sampler.state_at(0)
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint)
        step, state = saved["step"], saved["state"]
        model.load_state_dict(saved["model"])
        sampler.resume(state)
    loader = torch.utils.data.DataLoader(
        pairs, batch_sampler=sampler, collate_fn=collate, num_workers=workers
    )
    while state["epoch"] < epochs:
        for batch in loader:
            source, edited = (batch[name].movedim(1, -1) for name in ("source_video", "edited_video"))
            loss = (model(source) - edited).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step, state = step + 1, sampler.state_after(batch)
            torch.save({"step": step, "state": state, "model": model.state_dict()}, folder / "checkpoint.new")
            with (folder / "log.jsonl").open("a") as log:
                log.write(json.dumps({"step": step, "ids": batch["id"]}) + "\n")
            left -= 1
            if left == 0:
                os.killpg(0, signal.SIGKILL)
            os.replace(folder / "checkpoint.new", checkpoint)
    torch.save(model.state_dict(), folder / "weights.pt")
    (folder / "state.json").write_text(json.dumps(state))


if __name__ == "__main__":
    main()
