"""Is a release whole, and does it agree with itself? `validate` is what users call, as `sparkle.validate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sparkle._progress import Progress, silent

if TYPE_CHECKING:
    from sparkle.builders.checks.release import ReleaseReport


def validate(
    release: str | Path,
    *,
    quick: bool = False,
    media: Literal["none", "sample", "all"] | str = "none",
    bench: str | Path | None = None,
    accept: str | Path | None = None,
    workers: int | None = 1,
    progress: Progress = silent,
) -> ReleaseReport:
    """Check that a release is whole and agrees with itself.

    Findings are collected, not raised, and sorted by file and line; `docs/validate.md` lists what is checked.

    Example:
        >>> report = sparkle.validate("releases/demo", media="sample")
        >>> report.findings
        ()

    Args:
        release: The release's folder.
        quick: Read only the headers of tars, not their contents.
        media: Decode the videos, images and masks of no sample, of 20 per theme ("sample"), or of all.
        bench: A bench that must share no source video with the release, nor have one that looks like it.
        accept: A file of pairs of ids, one of the bench and one of the release, that look alike and are not.
        workers: Number of processes; None is one per CPU. More than one are spawned, so a script needs
            `if __name__ == "__main__"`.
        progress: Reports progress.

    Raises:
        ReleaseError: the folder is not a release, or `bench` is not a bench.
        ConfigError: `accept` cannot be read.
        SparkleError: more than one worker, and a script without `if __name__ == "__main__"`.
    """
    from sparkle.builders.bench.looked_at import read_accepted
    from sparkle.builders.checks.release import CheckOptions, check_release

    options = CheckOptions(
        contents=not quick,
        media=media,
        bench=None if bench is None else Path(bench),
        accepted=frozenset() if accept is None else read_accepted(Path(accept)),
        workers=workers,
    )
    return check_release(Path(release), progress, options)
