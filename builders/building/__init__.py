"""Finished runs become a release: `build` is what users call, as `sparkle.build`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sparkle._progress import Progress, silent

if TYPE_CHECKING:
    from sparkle.builders.building.from_runs import ReleaseSummary
    from sparkle.builders.building.pack import Spool


def build(
    runs: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    max_shard_size: int | str = "5GB",
    preview: int = 100,
    previous: str | Path | None = None,
    repack: bool = False,
    reclaim: bool = False,
    plots: bool = False,
    min_scores: Mapping[str, float] | None = None,
    max_scores: Mapping[str, float] | None = None,
    themes: Sequence[str] | None = None,
    ids: Collection[str] | None = None,
    exclude: Collection[str] = (),
    core: int | None = None,
    about: str | Path | None = None,
    webdataset: bool | Sequence[str] = False,
    webdataset_shard_size: int | str | None = None,
    workers: int | None = None,
    spool: Spool | None = None,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda text: None,
) -> ReleaseSummary:
    """Turn finished runs into a release, in place of the release that is at `out`.

    A release is a function of its runs, these options and the previous release: built twice, it has the same
    bytes. It is written beside `out` and takes its place at the end; after a kill, the same call goes on.

    Example:
        >>> done = sparkle.build("runs/demo", "releases/strict", min_scores={"edited_video": 8.5})
        >>> done.samples
        {'location': 6, 'season': 3}

    Args:
        runs: One run folder or several.
        out: The release's folder.
        max_shard_size: Most bytes of a tar, as a number or such as "500MB".
        preview: Number of samples per theme that also get loose files and a preview.
        previous: Release whose tars are kept where possible; None is the one at `out`.
        repack: Fill all tars anew instead.
        reclaim: Delete the runs' files as they are packed; the runs then read them from the tars.
        plots: Add plots and moving strips to the card.
        min_scores: Minimums that replace those of the runs, such as `{"edited_video": 8.2}`.
        max_scores: Maximums that replace those of the runs, such as `{"camera_long": 0.1}`.
        themes: Themes to take; None for all.
        ids: Samples to take; None for all. Of a mapping, the values say where an id was named, for errors.
        exclude: Samples to leave out, likewise.
        core: Number of samples of a core set: the best, taken in turn from every theme, subtheme and scene.
        about: File with the publisher's words: title, licence, authors and so on (`docs/cards.md`); None for
            those of the previous release.
        webdataset: Also write paired shards: True, or the names of their streams.
        webdataset_shard_size: Most bytes of a paired shard; None is 1 GB.
        workers: Number of tars that are written at a time; None is one per CPU.
        spool: Takes finished tars away, for a release that is larger than the disk; None where they stay.
        progress: Reports progress.
        say: Receives the plan and notes, as text.

    Raises:
        ConfigError: an option or `about` is invalid.
        RunError: a folder is not a finished run, or two runs have the same ids.
        RecordError: a line of a run is invalid, or no run has an id that was named.
        ReleaseError: no sample is kept, an artifact differs from its record, `out` contains other files, or
            the disk is too small; or the card that would be replaced was edited outside its room.
    """
    from sparkle._progress import parse_size
    from sparkle.builders.building.from_runs import BuildMode, build_release
    from sparkle.builders.building.provenance import ReleaseOptions
    from sparkle.builders.building.selection import make_selection
    from sparkle.builders.building.webdataset import make_options
    from sparkle.builders.release.about import read_about

    streams = webdataset if isinstance(webdataset, Sequence) else None
    paired_size = None if webdataset_shard_size is None else parse_size(str(webdataset_shard_size))
    options = ReleaseOptions(
        max_shard_size=parse_size(str(max_shard_size)),
        preview=preview,
        selection=make_selection(
            min_scores=min_scores,
            max_scores=max_scores,
            themes=themes or (),
            ids=ids,
            exclude=exclude,
            core=core,
        ),
        webdataset=make_options(streams, paired_size) if webdataset else None,
        plots=plots or None,
        about=None if about is None else read_about(Path(about)),
    )
    mode = BuildMode(
        previous=None if previous is None else Path(previous),
        repack=repack,
        reclaim=reclaim,
        spool=spool,
        workers=workers,
        say=say,
    )
    folders = [runs] if isinstance(runs, str | Path) else list(runs)
    return build_release([Path(folder) for folder in folders], Path(out), options, progress, mode)
