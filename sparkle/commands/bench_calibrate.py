"""`sparkle bench calibrate`: what a judge's scores mean on another one's scale."""

from __future__ import annotations

from pathlib import Path

import click

from sparkle.commands.console import Terminal, Verb
from sparkle.commands.options import FILE, NEW_FILE, output_options


class _Measure(click.ParamType):  # type: ignore[type-arg] # generic since click 8.4
    """A measure for a dimension, such as bg_dynamics=background_motion."""

    name = "measure"

    def convert(
        self, value: str | tuple[str, str], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Return dimension and measure; a usage error for anything else."""
        if not isinstance(value, str):
            return value
        dimension, _, measure = value.partition("=")
        if not dimension or not measure:
            self.fail(f"got {value!r}, wanted DIMENSION=MEASURE", param, ctx)
        return dimension, measure


@click.command(cls=Verb)
@click.argument("verdicts", nargs=-1, required=True, type=FILE)
@click.option(
    "--against",
    multiple=True,
    required=True,
    type=FILE,
    help="Verdicts of the reference, people or another judge, on the same edits. Repeatable.",
)
@click.option(
    "--measure",
    "measures",
    multiple=True,
    type=_Measure(),
    metavar="DIMENSION=MEASURE",
    help="Map a measure of the judge instead of its score of a dimension. Repeatable.",
)
@click.option("--out", required=True, type=NEW_FILE, help="The file of the calibration.")
@output_options
def calibrate(
    verdicts: tuple[Path, ...],
    against: tuple[Path, ...],
    measures: tuple[tuple[str, str], ...],
    out: Path,
    terminal: Terminal,
) -> None:
    """Find what a judge's scores mean on the scale of another judge, or of people.

    Pairs of verdicts on the same edits become a monotone map per dimension. It is scored out of fold, with
    folds by scene. A dimension needs a hundred pairs.

    Example: sparkle bench calibrate verdicts/qwen/*.jsonl --against people.jsonl --out qwen-to-people.json

    Example: sparkle bench calibrate verdicts/classical/*.jsonl --against people.jsonl --measure
    bg_dynamics=background_motion --out classical.json
    """
    from sparkle._files import write_atomic
    from sparkle.builders.bench.calibration import calibrate as make
    from sparkle.schemas.canonical import dump_document, plain

    if len({dimension for dimension, _ in measures}) < len(measures):
        raise click.UsageError("--measure: each dimension once")
    found = make(verdicts, against, measures=dict(measures))
    write_atomic(out, dump_document(found))
    lines = [f"{out}: {found.judge.name} on the scale of {found.reference.name}"]
    for key, curve in found.dimensions.items():
        low, high = curve.spearman_interval or (None, None)
        span = "" if low is None else f" ({low:.2f} to {high:.2f})"
        order = "-" if curve.spearman is None else f"{curve.spearman:.2f}{span}"
        before = "" if curve.before is None else f"{curve.before.mae:.2f} before, "
        bias = "" if curve.before is None else f"{curve.before.bias:+.2f} before, "
        kappa = "-" if curve.after.kappa is None else f"{curve.after.kappa:.2f}"
        lines.append(
            f"  {key}{f' by {curve.measure}' if curve.measure else ''}: {curve.pairs} pairs, "
            f"{curve.scenes} scenes; Spearman {order}; out of fold: "
            f"mean error {before}{curve.after.mae:.2f}, bias {bias}{curve.after.bias:+.2f}, "
            f"weighted kappa {kappa}"
        )
    terminal.result("\n".join(lines), plain(found))
