"""`sparkle build`: finished runs become a release."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sparkle._progress import count_text
from sparkle.commands import publish as publishing
from sparkle.commands.console import Terminal, Verb
from sparkle.commands.options import (
    FILE,
    FOLDER,
    PATH,
    Names,
    Size,
    ids_from_option,
    limit_options,
    out_option,
    output_options,
    theme_option,
)
from sparkle.schemas.errors import command
from sparkle.schemas.layout import KIND_BY_NAME

if TYPE_CHECKING:
    from sparkle.builders.building.from_runs import ReleaseSummary

_SMALL_SHARD = 10**6  # bytes: less than a video, and less than anybody means
_SPOOL_TARS = 2  # one is written while the other is sent

# The Hub shows at most 10,000 files in a folder and takes 100,000 in a repository: 1,000 samples of eight
# kinds in five themes are 40,000.
_MAX_PREVIEW = 1000


@click.command(cls=Verb, resumes="finished tars are kept beside {out}")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=PATH)
@out_option("The release's folder; a release that is there is replaced.")
@click.option(
    "--max-shard-size",
    default="5GB",
    show_default=True,
    type=Size(),
    help="Limit the size of a tar, such as 500MB.",
)
@click.option(
    "--preview",
    default=100,
    show_default=True,
    type=click.IntRange(0, _MAX_PREVIEW),
    help="Number of samples per theme that also get loose files and a preview.",
)
@click.option(
    "--previous",
    type=FOLDER,
    help="Keep the tars of this release where possible.  [default: the release at --out]",
)
@click.option("--repack", is_flag=True, help="Fill all tars anew instead of keeping those of a release.")
@click.option(
    "--reclaim",
    is_flag=True,
    help="Delete the runs' files as they are packed; the runs then read them from the tars.",
)
@click.option(
    "--plots",
    is_flag=True,
    help="Add plots of funnel, scores, measures and scenes to the card, and one moving strip per theme.",
)
@limit_options(
    "Override a minimum of the run, such as edited_video=8.2.",
    "Override a maximum of the run, such as camera_long=0.1.",
)
@theme_option
@ids_from_option
@click.option(
    "--exclude", type=FILE, help="Leave out the ids in this file: one per line, or a previewer's verdicts."
)
@click.option(
    "--core",
    type=click.IntRange(1),
    metavar="N",
    help="Only the N best, taken in turn from every theme, subtheme and scene.",
)
@click.option(
    "--about",
    type=FILE,
    help="Your own words: title, licence, authors and so on (docs/cards.md).  "
    "[default: those of the previous release]",
)
@click.option(
    "--webdataset",
    "paired_shards",
    is_flag=True,
    help="Also write webdataset/<theme>-NNNNNN.tar, with all streams of a sample side by side.",
)
@click.option(
    "--webdataset-streams",
    "streams",
    type=Names(KIND_BY_NAME),
    metavar="KIND,...",
    help="Streams in these tars.  [default: source_video,edited_video,source_video_mask]",
)
@click.option(
    "--webdataset-shard-size", "shard_size", type=Size(), help="Limit the size of these tars.  [default: 1GB]"
)
@click.option(
    "--spool-to",
    metavar="REPO",
    help="Publish to REPO while building: each tar is deleted once it is sent, and --out keeps the rest.",
)
@click.option(
    "--spool-tars",
    type=click.IntRange(1),
    metavar="N",
    help="With --spool-to: keep at most N tars on the disk.  [default: 2]",
)
@click.option("--revision", help="With --spool-to: the branch, or the revision of a folder.")
@click.option("--tag", help="With --spool-to: tag the result, for example v1.0.")
@click.option("--private", is_flag=True, help="With --spool-to: make the repository private.")
@output_options
def build(
    runs: tuple[Path, ...],
    out: Path,
    max_shard_size: int,
    preview: int,
    previous: Path | None,
    repack: bool,
    reclaim: bool,
    plots: bool,
    min_scores: dict[str, float],
    max_scores: dict[str, float],
    themes: tuple[str, ...],
    ids_from: Path | None,
    exclude: Path | None,
    core: int | None,
    about: Path | None,
    paired_shards: bool,
    streams: tuple[str, ...] | None,
    shard_size: int | None,
    spool_to: str | None,
    spool_tars: int | None,
    revision: str | None,
    tag: str | None,
    private: bool,
    terminal: Terminal,
) -> None:
    """Turn finished runs into a release.

    The release is written beside --out and replaces what is there at the end. Building it twice gives the
    same bytes. Run the same command again after a kill: tars that were finished are kept.

    Samples stay in the tars of the previous release, so a new revision rewrites few of them: removing a pair
    rewrites one tar per kind, and new pairs go into new tars.

    --min and --max make a stricter or looser release without a model: limits are replayed over the recorded
    scores. A looser release contains exactly the samples that the run finished.

    With --spool-to, a release that is larger than the disk is built and published tar by tar. The release at
    REPO is the previous one, and --out is not a whole release then.

    Example: sparkle build runs/demo --out releases/demo

    Example: sparkle build runs/demo --out releases/strict --min edited_video=9 --exclude verdicts.jsonl

    Example: sparkle build runs/a runs/b --out releases/large --spool-to owner/large
    """
    if not paired_shards and (streams or shard_size):
        raise click.UsageError("--webdataset-streams and --webdataset-shard-size need --webdataset")
    if previous is not None and repack:
        raise click.UsageError("--previous keeps tars and --repack fills them anew: give one of them")
    if spool_to is None and (spool_tars or revision or tag or private):
        raise click.UsageError("--spool-tars, --revision, --tag and --private need --spool-to")
    if spool_to is not None and previous is not None:
        raise click.UsageError("the release at --spool-to is the previous one: leave --previous out")

    from sparkle.builders.building import build as build_release
    from sparkle.builders.building.selection import read_dropped, read_ids

    if max_shard_size < _SMALL_SHARD:
        size = f"--max-shard-size of {count_text(max_shard_size, 'byte')}"
        terminal.say(f"note: {size}: a video that is larger gets a tar of its own; 5GB is usual")
    make = partial(
        build_release,
        runs,
        out,
        max_shard_size=max_shard_size,
        preview=preview,
        repack=repack,
        reclaim=reclaim,
        plots=plots,
        min_scores=min_scores,
        max_scores=max_scores,
        themes=themes or None,
        ids=None if ids_from is None else read_ids(ids_from),
        exclude=() if exclude is None else read_dropped(exclude),
        core=core,
        about=about,
        webdataset=paired_shards and (streams or True),
        webdataset_shard_size=shard_size,
        progress=terminal.progress,
        say=terminal.say,
    )
    published = None
    if spool_to is None:
        summary = make(previous=previous)
    else:
        from sparkle.hub.publish.spool import publish_spooled
        from sparkle.hub.targets.opening import open_target

        target = open_target(spool_to, revision=revision, private=private, say=terminal.say)
        summary, published = publish_spooled(
            make, out, target, spool_tars or _SPOOL_TARS, tag, terminal.progress, terminal.say
        )
    if summary.pending:
        terminal.say(
            f"note: not finished, and left out: {count_text(summary.pending, 'sample')}; "
            "`sparkle generate` on the run finishes what is begun"
        )
    terminal.counts("samples", ["theme", "pairs"], summary.samples)
    text, answer = f"{summary.out}: {summary.files} files, {summary.bytes:,} bytes", _to_json(summary)
    if published is None:
        folder, first = json.dumps(str(summary.out), ensure_ascii=False), next(iter(summary.samples))
        text += f"\nnext: {command('sparkle', 'validate', summary.out)}"
        text += f'\n      datasets.load_dataset({folder}, "{first}", split="train")'
    else:
        text += f"\n{publishing.summary(published)}"
        answer["published"] = publishing.to_json(published)
    terminal.result(text, answer)


def _to_json(summary: ReleaseSummary) -> dict[str, Any]:
    return {
        "out": str(summary.out),
        "files": summary.files,
        "bytes": summary.bytes,
        "samples": summary.samples,
        "pending": summary.pending,
        "plan": asdict(summary.space),
    }
