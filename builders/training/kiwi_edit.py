"""Runs Kiwi-Edit's own training on the drop-in, and goes on where a kill stopped it.

How it works
- Kiwi-Edit's `train.py` is run as it is. In `diffsynth/trainers` three names mean ours while it runs: its
  dataset (`kiwi.UnifiedDataset`), its `MixDataloader`, whose order cannot be taken up again (here: `turns`),
  and its `ModelLogger`, which writes checkpoints (here: `checkpoints`). Everything else is Kiwi-Edit's own:
  model, loop, accelerate, DeepSpeed.
- What these must do is known for the versions in `_KNOWN`, told by the text of the code around them; any
  other is refused before anything is imported.
- The same command goes on from the checkpoint in `--output_path` that is furthest, whose weights replace
  those of `--checkpoint`. What cannot go on is refused before models are loaded.
- One training at a time writes to a folder: a kill of the launcher may leave processes that still train.
"""

from __future__ import annotations

import ast
import os
import runpy
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import import_module
from itertools import chain, repeat
from pathlib import Path
from types import ModuleType
from typing import Any

from sparkle._files import exclusive
from sparkle.builders.training.checkpoints import (
    CheckpointWriter,
    TurnCheckpoint,
    last_checkpoint,
    remove_partial,
    restore_weights,
)
from sparkle.builders.training.kiwi import UnifiedDataset
from sparkle.builders.training.turns import TurnRows, Turns
from sparkle.schemas.canonical import sha256_bytes, sha256_file
from sparkle.schemas.errors import ConfigError

Say = Callable[[str], None]

_UTILS = "diffsynth/trainers/utils.py"
# What is replaced and what calls it, in `_UTILS`.
_PARTS = ("ModelLogger", "MixDataloader", "launch_mix_training_task")
# sha256 of their text -> the commit of github.com/showlab/Kiwi-Edit that has it.
_KNOWN = {"835ecfbccb34327227e88d1bcbd03b82640cce18d36c2681dfccd8a97c15a614": "223572d (2026-03-05)"}
# Argument of train.py -> what its rows are, in the order in which they take turns.
_DATASETS = {
    "img_dataset_metadata_path": "images",
    "vid_dataset_metadata_path": "videos",
    "vid_ref_dataset_metadata_path": "reference videos",
}
# Variables that `accelerate launch` sets, and what holds without.
_PROCESSES = {"RANK": "0", "WORLD_SIZE": "1"}


def train_kiwi_edit(train: Path, arguments: Sequence[str], say: Say) -> None:
    """Run a checkout's `train.py` until the training is done.

    Args:
        train: Kiwi-Edit's `train.py`, in its checkout.
        arguments: What it is given.
        say: Told where the training goes on.

    Raises:
        ConfigError: the version is unknown; what is in the output folder is not of this training, or another
            one writes to it.
        SampleError: a sample cannot be read.
    """
    checkout = train.resolve().parent
    _require_known(checkout)
    utils = _import_utils(checkout)
    options = utils.wan_parser().parse_args(list(arguments))
    rank, world_size = (int(os.environ.get(name, default)) for name, default in _PROCESSES.items())
    folder = Path(options.output_path)
    folder.mkdir(parents=True, exist_ok=True)
    busy = ConfigError("another training writes to this folder", where=folder, fix="wait for it, or end it")
    with exclusive(folder / ".lock", busy) if rank == 0 else nullcontext():
        if rank == 0:
            remove_partial(folder)
        checkpoint = last_checkpoint(folder)
        turns = Turns(
            _rows(options),
            options.num_epochs,
            rank=rank,
            world_size=world_size,
            state=checkpoint.state if checkpoint else None,
            where=checkpoint.path if checkpoint else None,
        )
        if rank == 0 and checkpoint:
            whole = turns.done + len(turns)
            say(f"{checkpoint.path}: {turns.done:,} of {whole:,} steps are done, {len(turns):,} are left")
        _Training(turns, checkpoint, options.dataset_num_workers, utils).run(train, arguments)


def _require_known(checkout: Path) -> None:
    """Raise ConfigError for a folder that is no checkout of a version in `_KNOWN`."""
    path = checkout / _UTILS
    versions = ", ".join(_KNOWN.values())
    wanted = f"a checkout of github.com/showlab/Kiwi-Edit at {versions}"
    try:
        text = path.read_text("utf-8")
        tree = ast.parse(text)
    except (OSError, ValueError, SyntaxError) as error:
        raise ConfigError("this is no checkout of Kiwi-Edit", got=error, wanted=wanted, where=path) from None
    found = {
        node.name: ast.get_source_segment(text, node) or ""
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }
    digest = sha256_bytes("\n".join(found.get(name, "") for name in _PARTS).encode())
    if digest not in _KNOWN:
        raise ConfigError(
            "this version of Kiwi-Edit is not known: it may not train on what it would be given",
            got=f"{', '.join(_PARTS)} with sha256 {digest}",
            wanted=wanted,
            where=path,
            fix=f"git checkout {versions.split()[0]} there, or change only the import of UnifiedDataset, "
            "without resuming (docs/training.md)",
        )


def _import_utils(checkout: Path) -> ModuleType:
    """Import the checkout's module, as its `train.py` would."""
    sys.path.insert(0, str(checkout))
    utils = import_module("diffsynth.trainers.utils")
    if Path(utils.__file__ or "").resolve() != checkout / _UTILS:
        raise ConfigError(
            "another diffsynth was imported",
            got=utils.__file__,
            wanted=checkout / _UTILS,
            fix="unset PYTHONPATH",
        )
    return utils


def _rows(options: Any) -> dict[str, TurnRows]:
    """Count the rows of the datasets that train.py is given.

    Raises:
        ConfigError: there is none, or one cannot be read.
    """
    found = {}
    for option, name in _DATASETS.items():
        path = getattr(options, option)
        if path:
            count = len(UnifiedDataset(metadata_path=path, repeat=options.dataset_repeat))
            found[name] = TurnRows(count, sha256_file(Path(path)), path)
    if not found:
        raise ConfigError(
            "there is nothing to train on", wanted=f"one of {', '.join(map('--{}'.format, _DATASETS))}"
        )
    return found


@dataclass
class _Training:
    """What takes the place of three names in Kiwi-Edit."""

    turns: Turns
    checkpoint: TurnCheckpoint | None
    workers: int
    utils: Any

    def run(self, train: Path, arguments: Sequence[str]) -> None:
        """Run train.py with them."""
        self._launch = self.utils.launch_mix_training_task
        self.utils.launch_mix_training_task = self.launch
        self.utils.MixDataloader = self.mix
        self.utils.ModelLogger = lambda output_path, remove_prefix_in_ckpt=None: CheckpointWriter(
            self.turns, Path(output_path), remove_prefix_in_ckpt
        )
        theirs: Any = import_module("diffsynth.trainers.unified_dataset")
        theirs.UnifiedDataset = UnifiedDataset
        sys.argv = [str(train), *arguments]
        runpy.run_path(str(train), run_name="__main__")

    def launch(
        self, dataset: Any, vid_dataset: Any, vid_ref_dataset: Any, model: Any, model_logger: Any, args: Any
    ) -> None:
        """Stand in for `launch_mix_training_task`: the weights come first."""
        if self.checkpoint:
            restore_weights(model, self.checkpoint.path, args.remove_prefix_in_ckpt)
        self._launch(dataset, vid_dataset, vid_ref_dataset, model, model_logger, args=args)

    def mix(self, dataloader: Any, vid_dataloader: Any, vid_ref_dataloader: Any, num_epochs: int) -> Any:
        """Stand in for `MixDataloader`: the same datasets, in our order."""
        from torch.utils.data import DataLoader

        _require_agreement(self.turns)
        prepared = zip(_DATASETS.values(), (dataloader, vid_dataloader, vid_ref_dataloader), strict=True)
        loaders = {
            name: DataLoader(
                loader.dataset,
                batch_sampler=self.turns.samplers[name],
                collate_fn=_only,
                num_workers=self.workers,
            )
            for name, loader in prepared
            if loader is not None
        }
        return _steps(self.turns, loaders)


def _only(items: Sequence[Any]) -> Any:
    (item,) = items
    return item


def _require_agreement(turns: Turns) -> None:
    """Raise ConfigError where processes would train on different samples than they should."""
    from torch import distributed

    counted: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(counted, turns.done)
    processes = next(iter(turns.samplers.values())).world_size
    if len(counted) != processes:
        raise ConfigError(
            "the number of processes is not the launcher's",
            got=f"{len(counted)} processes, WORLD_SIZE {processes}",
            fix="start it by `accelerate launch`",
        )
    if len(set(counted)) > 1:
        raise ConfigError(
            "processes found different checkpoints",
            got=f"steps {', '.join(map(str, counted))}",
            fix="let all machines see the same --output_path",
        )


def _steps(turns: Turns, loaders: Mapping[str, Any]) -> Any:
    """Return the steps that are left as what accelerate takes for a data loader."""
    from accelerate.data_loader import DataLoaderStateMixin
    from accelerate.state import GradientState

    class Steps(DataLoaderStateMixin):  # type: ignore[misc] # which is not typed
        """Tells accelerate of the last step, at which gradients are applied however many there are."""

        gradient_state = GradientState()

        def __len__(self) -> int:
            return len(turns)

        def __iter__(self) -> Iterator[Any]:
            endless = {name: chain.from_iterable(repeat(loader)) for name, loader in loaders.items()}
            self.begin()
            for number, name in enumerate(turns, 1):
                data = next(endless[name])
                self.end_of_dataloader = number == len(turns)
                yield data
            self.end()

    return Steps()
