"""Checkpoints of a training that say which samples are in their weights.

How it works
- A checkpoint is one file of weights, whose own metadata has a `TurnState`. It is whole or not there, and
  there is no second file that could disagree with it.
- Where gradients are accumulated, the samples in the weights are those up to the optimizer's last step. The
  others, at most as many as are accumulated, are trained on again.
- A file that has the name of a checkpoint is never written again.
- As in Kiwi-Edit, no checkpoint has the optimizer's moments: AdamW begins them anew.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from sparkle._files import TEMPORARY_MARK, atomic_path
from sparkle.builders.training.turns import Turns, TurnState, read_turn_state
from sparkle.schemas.errors import ConfigError

_NAME = re.compile(r"(step|epoch)-\d+\.safetensors")
_KEY = "sparkle"  # of a file's metadata


def remove_partial(folder: Path) -> None:
    """Remove what a kill left of a checkpoint."""
    for path in folder.glob(f"{TEMPORARY_MARK}*.safetensors"):
        path.unlink()


@dataclass(frozen=True)
class TurnCheckpoint:
    """A checkpoint of this training.

    Attributes:
        path: The file.
        state: Where the training stood.
    """

    path: Path
    state: TurnState


def last_checkpoint(folder: Path) -> TurnCheckpoint | None:
    """Return the checkpoint that is furthest; None where there is none.

    Raises:
        ConfigError: there are some that say not where they stand.
    """
    from safetensors import SafetensorError, safe_open

    found = []
    for path in sorted(folder.iterdir()):
        if not _NAME.fullmatch(path.name):
            continue
        try:
            with safe_open(path, framework="pt") as file:
                text = (file.metadata() or {}).get(_KEY)
        except (SafetensorError, OSError) as error:
            raise ConfigError(
                "a checkpoint cannot be read", got=error, where=path, fix=f"rm {path}"
            ) from None
        if text is None:
            raise ConfigError(
                "the output folder has checkpoints of another training, which are not to be overwritten",
                got="a checkpoint that does not say where it stands",
                where=path,
                fix="choose another --output_path; --checkpoint begins with the weights of this file",
            )
        found.append(TurnCheckpoint(path, read_turn_state(text, path)))
    return max(found, key=lambda resumed: resumed.state.steps, default=None)


def restore_weights(model: Any, path: Path, prefix: str | None) -> None:
    """Put a checkpoint's weights into what is trained.

    Raises:
        ConfigError: they are not those of what is trained.
    """
    import torch
    from safetensors import safe_open

    trained = {
        name.removeprefix(prefix or ""): parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    with safe_open(path, framework="pt") as file, torch.no_grad():
        saved = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        shapes = {name: tuple(parameter.shape) for name, parameter in trained.items()}
        if saved != shapes:
            differing = sorted(name for name, _ in saved.items() ^ shapes.items())
            raise ConfigError(
                "the checkpoint is of a model that trains other parts",
                got=f"{differing[0]} and {len(differing) - 1} others differ",
                where=path,
                fix="go on with the same trainable models and LoRA, or choose an empty --output_path",
            )
        for name, parameter in trained.items():
            parameter.copy_(file.get_tensor(name))


class CheckpointWriter:
    """Stands in for Kiwi-Edit's `ModelLogger`: the same files, at steps counted since the beginning."""

    def __init__(self, turns: Turns, folder: Path, prefix: str | None) -> None:
        self._turns = turns
        self._folder = folder
        self._prefix = prefix
        self._steps = 0  # since this process began
        self._applied = 0  # of these, whose gradients are in the weights

    @property
    def _number(self) -> int:
        return self._turns.done + self._steps

    def on_step_end(self, accelerator: Any, model: Any, save_steps: int | None = None) -> None:
        """Write a checkpoint at every `save_steps`-th step."""
        self._steps += 1
        if accelerator.sync_gradients:
            self._applied = self._steps
        if save_steps is not None and self._number % save_steps == 0:
            self._save(accelerator, model, f"step-{self._number}.safetensors")

    def on_epoch_end(self, accelerator: Any, model: Any, epoch_id: int) -> None:
        """Write a checkpoint at the end where none are written at steps."""
        self._save(accelerator, model, f"epoch-{epoch_id}.safetensors")

    def on_training_end(self, accelerator: Any, model: Any, save_steps: int | None = None) -> None:
        """Write the last checkpoint, and take leave of the other processes."""
        from torch import distributed

        if save_steps is not None and self._number % save_steps:
            self._save(accelerator, model, f"step-{self._number}.safetensors")
        distributed.destroy_process_group()

    def _save(self, accelerator: Any, model: Any, name: str) -> None:
        """Write a checkpoint, unless it is there."""
        from accelerate.utils.other import clean_state_dict_for_safetensors
        from safetensors.torch import save_file

        accelerator.wait_for_everyone()
        weights = accelerator.get_state_dict(model)  # which all processes gather
        path = self._folder / name
        if accelerator.is_main_process and not path.exists():
            trained = accelerator.unwrap_model(model).export_trainable_state_dict(
                weights, remove_prefix=self._prefix
            )
            state = msgspec.json.encode(self._turns.state_after(self._applied)).decode()
            with atomic_path(path) as temporary:
                save_file(clean_state_dict_for_safetensors(trained), temporary, {"format": "pt", _KEY: state})
        accelerator.wait_for_everyone()
