"""`sparkle bench build`: rejects of finished runs become a bench."""

from __future__ import annotations

from pathlib import Path

import click

from sparkle.commands.console import Terminal, Verb
from sparkle.commands.options import (
    FILE,
    FOLDER,
    NEW_FILE,
    PATH,
    accept_option,
    limit_options,
    out_option,
    output_options,
    theme_option,
    workers_option,
)
from sparkle.schemas.errors import command

# Names of `sparkle.builders.building.bench.RULES`, which is not imported for `--help`.
RULES = ("video_score", "measure")
_SHOWN = 20


@click.command(cls=Verb)
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=PATH)
@out_option("The bench's folder; a bench that is there is replaced.")
@click.option(
    "--train",
    multiple=True,
    metavar="RELEASE|INDEX",
    help="Leave out sources and prompts of this release or index, and what looks like its sources: a folder "
    "or owner/name on the Hub. Repeatable.",
)
@click.option("--no-train", is_flag=True, help="Compare with nothing: no release is made yet.")
@accept_option
@click.option(
    "--exclude",
    type=FILE,
    help="Leave out the sources of the samples in this file, one id per line: somebody wants a clip removed.",
)
@click.option(
    "--per-scene",
    default=5,
    show_default=True,
    type=click.IntRange(1),
    help="The most samples of a scene.",
)
@click.option("--total", type=click.IntRange(1), help="The most samples of the bench.")
@theme_option
@click.option(
    "--rule",
    "rules",
    multiple=True,
    type=click.Choice(RULES),
    help="Take what this step of the last stage rejected. Repeatable.  [default: video_score]",
)
@limit_options(
    "Override a minimum of the run, such as edited_video=9: more is rejected then.",
    "Override a maximum of the run, such as camera_long=0.1.",
)
@click.option("--seed", default=0, show_default=True, help="Decides which samples of a scene are taken.")
@click.option("--previous", type=FOLDER, help="Keep the samples of this bench as far as possible.")
@click.option(
    "--reserve",
    type=NEW_FILE,
    help="Write the ids of the runs' pairs that share a source with the bench to this file, for "
    "`sparkle build --exclude`.",
)
@workers_option
@output_options
def build(
    runs: tuple[Path, ...],
    out: Path,
    train: tuple[str, ...],
    no_train: bool,
    accept: Path | None,
    exclude: Path | None,
    per_scene: int,
    total: int | None,
    themes: tuple[str, ...],
    rules: tuple[str, ...],
    min_scores: dict[str, float],
    max_scores: dict[str, float],
    seed: int,
    previous: Path | None,
    reserve: Path | None,
    workers: int | None,
    terminal: Terminal,
) -> None:
    """Make a bench of samples that passed every stage but the last.

    Scenes are filled in turn, a source stands in the bench once, and which samples of a scene are taken
    follows from a hash of their ids: never from a score. Building it twice gives the same bytes.

    Example: sparkle bench build runs/demo --train releases/demo --out benches/demo

    Example: sparkle bench build runs/demo --no-train --reserve reserved.txt --out benches/demo
    """
    if bool(train) == no_train:
        raise click.UsageError("give --train with what is trained on, or --no-train")
    from sparkle._files import write_atomic
    from sparkle._progress import count_text
    from sparkle.builders.bench.contamination import limits_note, plain_notes, read_trained
    from sparkle.builders.bench.looked_at import read_accepted
    from sparkle.builders.building.bench import BenchOptions
    from sparkle.builders.building.bench_writer import BenchInput, build_bench
    from sparkle.builders.building.selection import make_selection, read_dropped

    limits = make_selection(min_scores=min_scores, max_scores=max_scores)
    made_of = BenchInput(
        runs=runs,
        limits={} if limits is None else limits.thresholds,
        trained=[read_trained(where) for where in train],
        accepted=frozenset() if accept is None else read_accepted(accept),
        exclude=() if exclude is None else read_dropped(exclude),
        previous=previous,
        reserve=reserve is not None,
    )
    options = BenchOptions(seed, per_scene, total, themes, rules or RULES[:1])
    summary = build_bench(made_of, out, options, terminal.progress, workers=workers)
    choice = summary.choice
    if reserve is not None:
        write_atomic(reserve, "".join(f"{sample_id}\n" for sample_id in summary.reserved).encode())
    for note in (note for trained in made_of.trained for note in (*trained.notes(), limits_note())):
        terminal.say(f"note: {note}")
    for note in plain_notes(choice.sources.values()):
        terminal.say(f"note: {note}")
    for (theme, subtheme, scene), count in [*choice.short.items()][:_SHOWN]:
        terminal.say(f"note: {theme}, {subtheme}: {scene} ran out at {count_text(count, 'sample')}")
    if len(choice.short) > _SHOWN:
        terminal.say(f"note: and {len(choice.short) - _SHOWN} more scenes; bench.json names them")
    for sample_id in choice.unknown:
        terminal.say(f"note: {sample_id} is no reject of these runs: nothing was left out for it")
    for sample_id, reason in choice.left.items():
        terminal.say(f"note: {sample_id} leaves the bench: {reason}")
    terminal.counts("left out", ["why", "rejects"], dict(choice.excluded))
    lines = [
        f"{summary.out}: {len(choice.samples)} of {count_text(choice.candidates, 'reject')}, "
        f"{summary.files} files, {summary.bytes:,} bytes"
    ]
    if reserve is not None:
        lines.append(f"{reserve}: {count_text(len(summary.reserved), 'pair')} to keep out of training")
    lines.append(f"next: {command('sparkle', 'bench', 'check', summary.out)}")
    terminal.result(
        "\n".join(lines),
        {
            "out": str(summary.out),
            "revision": summary.revision,
            "samples": len(choice.samples),
            "candidates": choice.candidates,
            "excluded": dict(choice.excluded),
            "left": dict(choice.left),
            "reserved": len(summary.reserved),
            "files": summary.files,
            "bytes": summary.bytes,
        },
    )
