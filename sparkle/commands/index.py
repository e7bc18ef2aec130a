"""`sparkle index`.

Only click and the contract are imported here; what does the work is imported by the command that needs it.
"""

from __future__ import annotations

from pathlib import Path

import click

from sparkle.commands.console import Terminal


@click.command("index")
@click.argument("where", metavar="REPO|FOLDER")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where the index goes.")
@click.option("--push", metavar="REPO", help="Also upload the index to this dataset repository.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def index(where: str, out: Path, push: str | None, as_json: bool) -> None:
    """Index upstream's tars where they are.

    REPO is owner/name[@revision] of a dataset on the Hub, FOLDER a download of one: either in upstream's
    layout. Every tar is read once; of a repository nothing but text is written to disk. Afterwards the index
    (some 200 MB for 140,000 pairs) is opened in place of a release: by `sparkle-hub pull`, the loaders and
    `sparkle export`. What is not as the layout has it is in its import_report.jsonl.

    A rerun after a kill reads only the tars that were not finished.

    Example: sparkle index stdKonjac/Sparkle --out indexes/sparkle
    """
    terminal = Terminal(as_json=as_json)
    with terminal.guard():
        from sparkle.builders.upstream.import_ import count_problems
        from sparkle.builders.upstream.indexing import index_upstream

        summary = index_upstream(where, out, terminal.progress)
        pushed = None
        if push is not None:
            from sparkle.hub.targets.hub import push_index

            pushed = push_index(summary.out, push)
    problems = count_problems(summary.findings)
    terminal.table(
        "samples", ["theme", "pairs"], [[theme, f"{count:,}"] for theme, count in summary.samples.items()]
    )
    if problems:
        rows = [[problem, str(count)] for problem, count in problems.items()]
        terminal.table("not as the layout has it", ["problem", "times"], rows)
    text = f"{summary.out}: {summary.shards} tars of {summary.target}, {summary.bytes:,} bytes"
    terminal.result(
        text if pushed is None else f"{text}\npushed: {pushed}",
        {
            "out": str(summary.out),
            "target": summary.target,
            "shards": summary.shards,
            "bytes": summary.bytes,
            "samples": summary.samples,
            "problems": problems,
            "pushed": pushed,
        },
    )
