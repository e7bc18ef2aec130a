"""`sparkle train`: Kiwi-Edit's own training, which goes on after a kill."""

from __future__ import annotations

import traceback
from pathlib import Path

import click

from sparkle.commands.console import COULD_NOT_RUN, Terminal, Verb
from sparkle.commands.options import FILE, output_options
from sparkle.schemas.errors import SparkleError


@click.command(
    cls=Verb,
    resumes="checkpoints are kept in the output folder",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("train_py", type=FILE)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@output_options
def train(train_py: Path, arguments: tuple[str, ...], terminal: Terminal) -> None:
    """Run Kiwi-Edit's training on pairs, and go on with it after a kill.

    TRAIN_PY is train.py in a checkout of Kiwi-Edit, ARGUMENTS are its own; docs/training.md shows the line of
    its scripts that changes. Its dataset is replaced by `sparkle.kiwi.UnifiedDataset`, and checkpoints say
    which samples were trained on. The same command goes on from the last one in --output_path, with exactly
    the samples that are left; no checkpoint is overwritten.

    Example: accelerate launch -m sparkle train train.py --output_path ckpt/demo --save_steps 500
    """
    from sparkle.builders.training.kiwi_edit import train_kiwi_edit

    try:
        train_kiwi_edit(train_py, arguments, terminal.say)
    except SparkleError:
        raise
    except Exception as error:  # the trainer's own code, whose traceback is what its users know
        traceback.print_exc()
        terminal.say(f"error: Kiwi-Edit's training failed: {type(error).__name__}: {error}")
        raise SystemExit(COULD_NOT_RUN) from None
