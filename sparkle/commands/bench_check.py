"""`sparkle bench check`: is a bench whole, and apart from what is trained on? Can edits of it be judged?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from sparkle.commands.bench_results import check_results
from sparkle.commands.console import FINDINGS, Terminal, Verb, first_lines
from sparkle.commands.options import FOLDER, accept_option, output_options, report_option, workers_option

_SHOWN = 50  # a screen or two; the report has all


@click.command(cls=Verb)
@click.argument("bench", type=FOLDER)
@click.option(
    "--results",
    type=click.Path(path_type=Path, exists=True),
    help="Check a model's edits in place of the bench: a folder, or OpenVE-Bench's csv of results.",
)
@click.option(
    "--train",
    multiple=True,
    metavar="RELEASE|INDEX",
    help="Check that no source is one of this release or index, or looks like one: a folder or owner/name "
    "on the Hub. Repeatable.",
)
@accept_option
@click.option(
    "--pictures",
    type=click.Path(path_type=Path, file_okay=False),
    help="Show sources that look alike side by side, as images in this folder.",
)
@report_option
@workers_option
@output_options
def check(
    bench: Path,
    results: Path | None,
    train: tuple[str, ...],
    accept: Path | None,
    pictures: Path | None,
    report: Path | None,
    workers: int | None,
    terminal: Terminal,
) -> None:
    """Check that a bench is whole, and apart from what is trained on; or that a model's edits can be judged.

    Tables and metadata must agree, videos decode, images and masks fit them. With --train, sources with the
    same bytes or pictures are findings, and so are those that look alike, until --accept names the pair.

    With --results, the edits are looked at, before a judge is paid for: what is missing, empty, cut, no
    video, of another size, length or rate; what is another sample's edit, or not edited; what is nobody's.
    The crop of upstream's script is named and is fine. The last line is the command that makes what is
    missing.

    Example: sparkle bench check bench --train releases/demo --pictures look

    Example: sparkle bench check bench --results results/kiwi
    """
    if results is not None and (train or accept or pictures):
        raise click.UsageError("--results looks at edits: --train, --accept and --pictures are for the bench")

    from sparkle._files import write_jsonl
    from sparkle._processes import cpus, pool_of
    from sparkle.builders.bench.contamination import read_trained
    from sparkle.builders.bench.looked_at import draw_matches, read_accepted
    from sparkle.builders.checks.bench_folder import check_bench_folder

    if results is not None:
        count = check_results(bench, results, report, workers or cpus(), terminal)
        raise SystemExit(FINDINGS if count else 0)
    terminal.name_junk(bench)
    accepted = frozenset() if accept is None else read_accepted(accept)
    trained = [read_trained(where) for where in train]
    with pool_of(workers or cpus()) as pool:
        found = check_bench_folder(bench, pool, terminal.progress, trained=trained, accepted=accepted)
    drawn = [] if pictures is None else draw_matches(found.matches, pictures, terminal.say)
    if report is not None:
        write_jsonl(report, [finding.to_json() for finding in found.findings])
    for note in found.notes:
        terminal.say(f"note: {note}")
    rest = f"all are in {report}" if report else "--report FILE writes all of them"
    lines = first_lines([*map(str, found.findings)], _SHOWN, rest)
    if drawn:
        lines.append(f"{pictures}: {len(drawn)} pictures of sources that look alike")
    lines += _balance(found.scenes)
    count = len(found.findings)
    verdict = f"{count} finding{'s' if count > 1 else ''}" if count else "whole"
    samples = ", ".join(f"{number} {theme}" for theme, number in found.samples.items())
    lines.append(f"{bench}: {verdict} ({found.files} files; samples: {samples or 'none'})")
    terminal.result(
        "\n".join(lines),
        {
            "findings": [finding.to_json() for finding in found.findings[:_SHOWN]],
            "count": count,
            "notes": list(found.notes),
            "pictures": list(map(str, drawn)),
            "files": found.files,
            "samples": found.samples,
            "revision": found.revision,
            "scenes": found.scenes,
        },
    )
    raise SystemExit(FINDINGS if count else 0)


def _balance(scenes: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Iterator[str]:
    """How many samples the scenes of each subtheme have."""
    from sparkle._progress import count_text

    for theme, subthemes in scenes.items():
        total = sum(count for found in subthemes.values() for count in found.values())
        yield f"{theme}: {count_text(total, 'sample')}"
        for subtheme, found in subthemes.items():
            low, high = min(found.values()), max(found.values())
            each = f"{low}" if low == high else f"{low} to {high}"
            yield f"  {subtheme or 'no subtheme'}: {count_text(len(found), 'scene')} of {each}"
