"""`sparkle import`.

Only click and the contract are imported here; what does the work is imported by the command that needs it.
"""

from __future__ import annotations

from pathlib import Path

import click

from sparkle.commands.console import Terminal


@click.command("import")
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Where the release goes; a release is replaced.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write what was found to this file, as JSON lines.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def import_upstream(folder: Path, out: Path, report: Path | None, as_json: bool) -> None:
    """Make a release of a folder in upstream's layout.

    FOLDER has tars, extracted tars, or both, with upstream's tables of pairs and JSON lines. The release has
    the same files (hard links where possible), and beside them Parquet tables, a manifest and a report of
    everything that is not as the layout has it. FOLDER is not written to.

    The exit code is 1 when there is something to report; the release is there all the same. A rerun after a
    kill reads only what was not finished.

    Example: sparkle import downloads/Sparkle --out releases/sparkle
    """
    terminal = Terminal(as_json=as_json)
    with terminal.guard():
        from dataclasses import asdict

        from sparkle._files import write_jsonl
        from sparkle.builders.upstream import import_
        from sparkle.schemas import layout

        summary = import_.import_upstream(folder, out, terminal.progress)
        if report is not None:
            write_jsonl(report, (asdict(finding) for finding in summary.findings))
    terminal.table(
        "samples", ["theme", "pairs"], [[theme, str(count)] for theme, count in summary.samples.items()]
    )
    if summary.findings:
        first = {finding.problem: finding.file for finding in reversed(summary.findings)}
        rows = [[problem, str(count), first[problem]] for problem, count in summary.problems.items()]
        terminal.table("not as the layout has it", ["problem", "times", "first in"], rows)
        terminal.say(f"all of it: {summary.out / layout.IMPORT_REPORT}")
    terminal.result(
        f"{summary.out}: {summary.files} files, {summary.bytes:,} bytes; {len(summary.findings)} findings\n"
        f"next: sparkle validate {summary.out}",
        {
            "out": str(summary.out),
            "files": summary.files,
            "bytes": summary.bytes,
            "samples": summary.samples,
            "problems": summary.problems,
        },
    )
    raise SystemExit(1 if summary.findings else 0)
