"""`sparkle build` and `sparkle validate`.

Only click and the contract are imported here; what does the work is imported by the command that needs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sparkle.commands.console import Terminal
from sparkle.commands.options import Size, selection_options, webdataset_options

# The Hub shows at most 10,000 files a folder and takes 100,000 a repository: 1,000 samples of eight kinds
# in five themes are 40,000.
_MAX_PREVIEW = 1000

_SHOWN_FINDINGS = 50  # a screen or two; the report has all

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Where the release goes; a release is replaced.",
)
@click.option(
    "--max-shard-size",
    default="5GB",
    show_default=True,
    type=Size(),
    help="The most bytes of a tar, such as 500MB.",
)
@click.option(
    "--preview",
    default=100,
    show_default=True,
    type=click.IntRange(0, _MAX_PREVIEW),
    help="How many first samples of a theme also stand loose and have a preview.",
)
@click.option(
    "--previous",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The release whose tars are kept where they can be; without it, the one at --out.",
)
@click.option(
    "--repack", is_flag=True, help="Fill tars afresh instead of keeping those of the release before."
)
@click.option(
    "--reclaim",
    is_flag=True,
    help="Delete the runs' files as they get packed; the runs then read them from the tars.",
)
@click.option(
    "--plots",
    is_flag=True,
    help="Put plots of funnel, scores, measures and scenes into the card, and a moving strip a theme.",
)
@selection_options
@webdataset_options
@_JSON
def build(
    runs: tuple[Path, ...],
    out: Path,
    max_shard_size: int,
    preview: int,
    previous: Path | None,
    repack: bool,
    reclaim: bool,
    plots: bool,
    paired_shards: bool,
    streams: tuple[str, ...] | None,
    shard_size: int | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Turn finished runs into a release.

    The release can be read by `datasets`, tar and csv readers. It is written beside --out and takes its
    place at the end; built twice, it is byte-identical. A build that was killed goes on with the tars that
    it had finished.

    Samples stay in the tars in which the release before has them, so that a revision rewrites few: removing
    one rewrites a tar a kind, and new ones go to new tars.

    A stricter or looser variant needs no model: limits are replayed over the scores that the run recorded,
    and a looser one takes exactly the samples that were brought to the end.

    Example: sparkle build runs/demo --out releases/demo

    Example: sparkle build runs/demo --out releases/strict --min edited_video=9 --exclude verdicts.jsonl
    """
    terminal = Terminal(as_json=as_json)
    with terminal.guard():
        from dataclasses import asdict

        from sparkle.builders.building.provenance import ReleaseOptions
        from sparkle.builders.building.selection import make_selection
        from sparkle.builders.building.webdataset import make_options
        from sparkle.builders.building.writer import BuildMode, build_release

        if not paired_shards and (streams or shard_size):
            raise click.UsageError("--webdataset-streams and --webdataset-shard-size go with --webdataset")
        options = ReleaseOptions(
            max_shard_size,
            preview,
            selection=make_selection(**chosen),
            webdataset=make_options(streams, shard_size) if paired_shards else None,
            plots=plots or None,
        )
        if previous is not None and repack:
            raise click.UsageError("--previous keeps tars and --repack fills them afresh: give one of them")
        mode = BuildMode(previous=previous, repack=repack, reclaim=reclaim, say=terminal.say)
        summary = build_release(runs, out, options, terminal.progress, mode)
    if summary.pending:
        terminal.say(
            f"note: {summary.pending} samples pass as far as they were taken; `sparkle generate` on the run "
            "takes them to the end"
        )
    rows = [[theme, str(count)] for theme, count in summary.samples.items()]
    terminal.table("samples", ["theme", "pairs"], rows)
    first = next(iter(summary.samples))
    terminal.result(
        f"{summary.out}: {summary.files} files, {summary.bytes:,} bytes\n"
        f"next: sparkle validate {summary.out}\n"
        f'      datasets.load_dataset("{summary.out}", "{first}", split="train")',
        {
            "out": str(summary.out),
            "files": summary.files,
            "bytes": summary.bytes,
            "samples": summary.samples,
            "pending": summary.pending,
            "plan": asdict(summary.space),
        },
    )


@click.command()
@click.argument("release", metavar="RELEASE", type=click.Path(path_type=Path))
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write every finding to this file, as JSON lines; the first 50 are printed.",
)
@click.option(
    "--quick", is_flag=True, help="Read the headers of tars only, not their contents: minutes, not hours."
)
@click.option(
    "--media",
    default="none",
    show_default=True,
    type=click.Choice(["none", "sample", "all"]),
    help="Decode the videos, images and masks of 20 samples a theme, or of all.",
)
@click.option(
    "--bench",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Check that this bench (source_videos/<theme>/ID.mp4) shares no source with the release.",
)
@click.option("--workers", type=click.IntRange(1), help="Processes that read; without it, one a processor.")
@_JSON
def validate(
    release: Path,
    report: Path | None,
    quick: bool,
    media: str,
    bench: Path | None,
    workers: int | None,
    as_json: bool,
) -> None:
    """Check that a release is whole and agrees with itself.

    Tables, JSON lines, tars and loose files are compared with each other and with the manifest: names,
    order, contents, sizes of videos and masks, recorded scores. Each finding has its file, line and JSON
    pointer; the exit code is 1 when there is one. Nothing is written but --report.

    Example: sparkle validate releases/demo --media sample --report findings.jsonl
    """
    terminal = Terminal(as_json=as_json)
    with terminal.guard():
        from dataclasses import asdict

        from sparkle._files import write_jsonl
        from sparkle.builders.checks.release import CheckOptions, check_release

        options = CheckOptions(contents=not quick, media=media, bench=bench, workers=workers)
        found = check_release(release, terminal.progress, options)
        if report is not None:
            write_jsonl(report, (asdict(finding) for finding in found.findings))
    shown, count = found.findings[:_SHOWN_FINDINGS], len(found.findings)
    samples = ", ".join(f"{number} {theme}" for theme, number in found.samples.items())
    verdict = f"{count} finding{'s' if count > 1 else ''}" if count else "whole"
    lines = [*map(str, shown)]
    if count > len(shown):
        rest = f"all are in {report}" if report else "--report FILE writes all of them"
        lines.append(f"... and {count - len(shown)} more; {rest}")
    lines.append(f"{release}: {verdict} ({found.files} files; samples: {samples or 'none'})")
    terminal.result(
        "\n".join(lines),
        {
            "findings": [asdict(finding) for finding in shown],
            "count": count,
            "files": found.files,
            "samples": found.samples,
        },
    )
    raise SystemExit(1 if count else 0)
