"""A checkpoint says which samples are in its weights, is whole or not there, and is never written again."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from sparkle.builders.training.checkpoints import (
    CheckpointWriter,
    last_checkpoint,
    remove_partial,
    restore_weights,
)
from sparkle.builders.training.turns import TurnRows, Turns
from sparkle.schemas.errors import ConfigError

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")
accelerate = pytest.importorskip("accelerate")
save_file = pytest.importorskip("safetensors.torch").save_file

DATASETS = {"images": TurnRows(3, "a" * 64, "images.csv"), "videos": TurnRows(5, "b" * 64, "videos.csv")}


class Module(torch.nn.Module):
    """A part that is trained and one that is not, exported as Kiwi-Edit's training module does."""

    def __init__(self, width=4):
        super().__init__()
        self.pipe = torch.nn.ModuleDict({"dit": torch.nn.Linear(width, 2), "vae": torch.nn.Linear(2, 2)})
        self.pipe["vae"].requires_grad_(False)
        torch.nn.init.zeros_(self.pipe["dit"].weight)  # to which whole numbers can be added and taken off

    def export_trainable_state_dict(self, state, remove_prefix):
        trained = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        return {name.removeprefix(remove_prefix): value for name, value in state.items() if name in trained}


@contextmanager
def training(folder, accumulate=1):
    """What writes checkpoints, and a step that changes the weights."""
    found = last_checkpoint(folder) if folder.exists() else None
    turns = Turns(DATASETS, 4, state=found.state if found else None)
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=accumulate)
    module = Module()
    if found:
        restore_weights(module, found.path, "pipe.")
    writer = CheckpointWriter(turns, folder, "pipe.")

    def step(save_steps=2):
        with accelerator.accumulate(module):
            if accelerator.sync_gradients:
                with torch.no_grad():
                    module.pipe["dit"].weight += 1
            writer.on_step_end(accelerator, module, save_steps)

    yield module, step
    accelerator.free_memory()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_it_goes_on_from_the_furthest(tmp_path):
    folder = tmp_path / "out"
    with training(folder) as (module, step):
        for _ in range(5):
            step()
        trained = module.pipe["dit"].weight - 1  # the fifth step was lost
    assert names(folder) == ["step-2.safetensors", "step-4.safetensors"]
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with training(folder) as (module, step):
        assert torch.equal(module.pipe["dit"].weight, trained)
        for _ in range(7):
            step()
    assert names(folder) == [f"step-{number}.safetensors" for number in (10, 2, 4, 6, 8)]
    assert {path: path.read_bytes() for path in before} == before
    state = last_checkpoint(folder).state
    assert (state.steps, state.turn) == (10, "images")
    assert [state.datasets[name].epoch for name in DATASETS] == [1, 1]  # five samples of three and of five


def test_samples_whose_gradients_are_not_applied_are_trained_on_again(tmp_path):
    folder = tmp_path / "out"
    with training(folder, accumulate=3) as (_, step):
        for _ in range(5):
            step(save_steps=5)
    found = last_checkpoint(folder)
    assert (found.path.name, found.state.steps) == ("step-5.safetensors", 3)
    written = found.path.read_bytes()
    with training(folder, accumulate=3) as (_, step):
        for _ in range(7):
            step(save_steps=5)
    assert names(folder) == ["step-10.safetensors", "step-5.safetensors"]
    assert found.path.read_bytes() == written
    assert last_checkpoint(folder).state.steps == 9


KILLED = """
import os, sys
from pathlib import Path
import safetensors.torch
whole = safetensors.torch.save_file
def half(tensors, path, metadata):
    whole(tensors, path, metadata)
    os.truncate(path, Path(path).stat().st_size // 2)
    os.kill(os.getpid(), 9)
from test_checkpoints import training
with training(Path(sys.argv[1])) as (_, step):
    step()
    safetensors.torch.save_file = half
    step()
"""


def test_a_kill_within_a_write_leaves_the_one_before(tmp_path, request):
    folder = tmp_path / "out"
    with training(folder) as (_, step):
        step(), step()
    written = last_checkpoint(folder)
    command = [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(request.path.parent)!r})\n{KILLED}",
        folder,
    ]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert len(names(folder)) == 2
    assert last_checkpoint(folder) == written
    remove_partial(folder)
    assert names(folder) == ["step-2.safetensors"]


def test_checkpoints_that_say_nothing_are_not_overwritten(tmp_path):
    save_file({"dit.weight": torch.zeros(2)}, tmp_path / "model.safetensors")  # no name of a checkpoint
    assert last_checkpoint(tmp_path) is None
    for name in ("step-500.safetensors", "epoch-1.safetensors"):
        save_file({"dit.weight": torch.zeros(2)}, tmp_path / name, {"format": "pt"})
        with pytest.raises(ConfigError, match="of another training") as caught:
            last_checkpoint(tmp_path)
        assert caught.value.where == str(tmp_path / name)
        assert "another --output_path" in caught.value.fix
        (tmp_path / name).unlink()
    (tmp_path / "step-2.safetensors").write_bytes(b"half")
    with pytest.raises(ConfigError, match="a checkpoint cannot be read"):
        last_checkpoint(tmp_path)


@pytest.mark.parametrize("change", ["shape", "trained"])
def test_weights_of_another_model_are_refused(tmp_path, change):
    with training(tmp_path) as (_, step):
        step(save_steps=1)
    module = Module(width=5 if change == "shape" else 4)
    if change == "trained":
        module.pipe["vae"].requires_grad_(True)
    before = module.pipe["dit"].weight.clone()
    with pytest.raises(ConfigError, match="a model that trains other parts") as caught:
        restore_weights(module, tmp_path / "step-1.safetensors", "pipe.")
    assert ("dit.weight" if change == "shape" else "vae.bias") in caught.value.got
    assert torch.equal(module.pipe["dit"].weight, before)
