"""`sparkle train`: Kiwi-Edit's own training, which goes on after a kill."""

from __future__ import annotations

import traceback
from pathlib import Path

import click

from sparkle.commands.console import Terminal, Verb
from sparkle.commands.options import FILE, output_options
from sparkle.schemas.errors import SparkleError


@click.command(
    cls=Verb,
    changes=True,
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

    again = "run the same command again: it goes on from the last checkpoint in --output_path"
    try:
        train_kiwi_edit(train_py, arguments, terminal.say)
    except SparkleError:
        raise
    except KeyboardInterrupt:
        terminal.say(again)
        raise
    except Exception as error:  # whose traceback says more to Kiwi-Edit's users than anything of ours
        traceback.print_exc()
        if "DataLoader worker" in str(error):
            again = f"if memory ran out, give fewer --dataset_num_workers; {again}"
        raise SparkleError("the training failed", got=f"{type(error).__name__}: {error}", fix=again) from None
