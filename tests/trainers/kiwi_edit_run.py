"""`sparkle train` on tiny weights: `accelerate launch kiwi_edit_run.py CHECKOUT LOG ARGUMENTS`.

Every item that Kiwi-Edit's training module is given becomes a line of JSON in LOG. With DIE_AT=n the process
kills itself at the n-th one, with WORKER_AT=n a worker that reads data; with DIE_IN=n itself in the middle of
writing the n-th checkpoint.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import zlib
from pathlib import Path

import torchvision_on_cpu  # noqa: F401

checkout, log, *arguments = sys.argv[1:]
sys.path.insert(0, checkout)

import kiwi_edit_weights  # noqa: E402
import torch  # noqa: E402
from diffsynth.trainers import utils  # noqa: E402

RANK = int(os.environ["RANK"])


if os.getpgrp() != os.getpid():
    os.setpgrp()


def die() -> None:
    os.killpg(
        os.getpid(), signal.SIGKILL
    )  # with its workers: torch lets them hang when their parent is killed


def note(module, inputs, keywords) -> None:
    (data,) = inputs
    note.count += 1
    if note.count == int(os.environ.get("DIE_AT", 0)):
        die()
    if note.count == int(os.environ.get("WORKER_AT", 0)):
        multiprocessing.active_children()[0].kill()
    videos = [data["src_video"], data["tgt_video"]]
    line = {
        "rank": RANK,
        "prompt": data["prompt"],
        "keys": sorted(data),
        "frames": [len(video) for video in videos],
        "size": videos[0][0].size,
        "mean": [sum(zlib.crc32(frame.tobytes()) for frame in video) for video in videos],
        "weights": float(
            sum(weight.double().abs().sum() for weight in module.parameters() if weight.requires_grad)
        ),
    }
    with open(log, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def save_half(tensors, path, metadata=None) -> None:
    save_half.count += 1
    save_file(tensors, path, metadata)
    if save_half.count == int(os.environ.get("DIE_IN", 0)):
        os.truncate(path, Path(path).stat().st_size // 2)
        die()


note.count = save_half.count = 0
kiwi_edit_weights.install()
made = utils.DiffusionTrainingModule.__init__


def make(self, *args, **kwargs) -> None:
    made(self, *args, **kwargs)
    self.register_forward_pre_hook(note, with_kwargs=True)


utils.DiffusionTrainingModule.__init__ = make

import safetensors.torch  # noqa: E402

from sparkle.commands import main  # noqa: E402

save_file, safetensors.torch.save_file = safetensors.torch.save_file, save_half

if int(os.environ["WORLD_SIZE"]) > 1:  # accelerate counts one process where there is no accelerator
    from accelerate.state import DistributedType, PartialState

    PartialState._prepare_backend = lambda self, *args, **kwargs: ("gloo", DistributedType.NO)

torch.manual_seed(0)
main(["train", f"{checkout}/train.py", *arguments])
