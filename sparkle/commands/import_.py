"""`sparkle import`: a folder in upstream's layout becomes a release."""

from __future__ import annotations

from pathlib import Path

import click

from sparkle.commands.console import FINDINGS, Terminal, Verb
from sparkle.commands.options import PATH, out_option, output_options, report_option
from sparkle.schemas import layout
from sparkle.schemas.errors import command


@click.command("import", cls=Verb, resumes="tars that were read are kept beside {out}")
@click.argument("folder", metavar="FOLDER", type=PATH)
@out_option("The release's folder; a release that is there is replaced.")
@report_option
@output_options
def import_upstream(folder: Path, out: Path, report: Path | None, terminal: Terminal) -> None:
    """Make a release of a folder in upstream's layout.

    FOLDER contains tars, extracted tars, or both, with upstream's tables of pairs and JSON lines. The release
    has the same files (hard links where possible) and, beside them, Parquet tables, a manifest and a report
    of everything that does not follow the layout. FOLDER is never written to.

    The exit code is 1 when there is something to report; the release is complete all the same. Run the same
    command again after a kill: tars that were finished are not read again.

    Example: sparkle import downloads/Sparkle --out releases/sparkle
    """
    from sparkle._files import write_jsonl
    from sparkle.builders.upstream import import_

    terminal.name_junk(folder)
    summary = import_.import_upstream(folder, out, terminal.progress)
    if report is not None:
        write_jsonl(report, (finding.to_json() for finding in summary.findings))
    terminal.counts("samples", ["theme", "pairs"], summary.samples)
    if summary.findings:
        first = {finding.problem: finding.file for finding in reversed(summary.findings)}
        rows = [[problem, str(count), first[problem]] for problem, count in summary.problems.items()]
        terminal.table("findings", ["finding", "times", "first in"], rows)
        terminal.say(f"all of them: {summary.out / layout.IMPORT_REPORT}")
    terminal.result(
        f"{summary.out}: {summary.files} files, {summary.bytes:,} bytes; {len(summary.findings)} findings\n"
        f"next: {command('sparkle', 'validate', summary.out)}",
        {
            "out": str(summary.out),
            "files": summary.files,
            "bytes": summary.bytes,
            "samples": summary.samples,
            "problems": summary.problems,
        },
    )
    raise SystemExit(FINDINGS if summary.findings else 0)
