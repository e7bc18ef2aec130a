"""`sparkle index`: what lies where in upstream's tars."""

from __future__ import annotations

from pathlib import Path

import click

from sparkle.commands.console import Terminal, Verb
from sparkle.commands.options import out_option, output_options


@click.command("index", cls=Verb, resumes="tars that were read are kept beside {out}")
@click.argument("where", metavar="REPO|FOLDER")
@out_option("The index's folder.")
@click.option("--push", metavar="REPO", help="Also upload the index to this dataset repository.")
@output_options
def index(where: str, out: Path, push: str | None, terminal: Terminal) -> None:
    """Index upstream's tars where they are.

    REPO is owner/name[@revision] of a dataset on the Hub, FOLDER a download of one, both in upstream's
    layout. Every tar is read once, and source videos are decoded for the hash of their scene; of a
    repository only text is written to disk. The index (some 200 MB for 140,000 pairs) is then opened in
    place of a release: by `sparkle pull`, by the loaders and by `sparkle export`. Whatever does not follow
    the layout is listed in its import_report.jsonl.

    Run the same command again after a kill: tars that were finished are not read again.

    Example: sparkle index stdKonjac/Sparkle --out indexes/sparkle
    """
    from sparkle.builders.upstream.indexing import index_upstream
    from sparkle.builders.upstream.origin import count_problems
    from sparkle.hub.publish.index import push_index

    terminal.name_junk(where)
    summary = index_upstream(where, out, terminal.progress)
    pushed = None if push is None else push_index(summary.out, push)
    problems = count_problems(summary.findings)
    terminal.counts("samples", ["theme", "pairs"], summary.samples)
    terminal.counts("findings", ["finding", "times"], problems)
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
