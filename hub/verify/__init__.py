"""Is a release what it says it is? Five levels, each usable alone, on a folder or on a Hub.

`verify` is what users call, as `sparkle.verify`. `levels` runs `integrity`, `consistency`, `reshard`,
`replay` and `consumers`; `verified` is where the release is and how it is read, `repair` mends a folder from
the place that it came from, `report` is what was found. Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sparkle._progress import Progress, silent

if TYPE_CHECKING:
    from sparkle.hub.verify.report import VerifyReport


def verify(
    release: str | Path,
    *,
    levels: Sequence[str] | None = None,
    sample: int = 4,
    seed: int = 0,
    bench: str | Path | None = None,
    repair_from: str | Path | None = None,
    workers: int | None = None,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda text: None,
) -> VerifyReport:
    """Prove that a release is whole, agrees with itself, and can be made again.

    Example:
        >>> report = sparkle.verify("releases/demo", levels=["integrity", "reshard"])
        >>> report.ok
        True

    Args:
        release: A folder, or `owner/name[@revision]` of a dataset or a model on a Hub.
        levels: Some of "integrity", "consistency", "reshard", "replay" and "consumers"; None is all that can
            be tried here. One that is named must be possible.
        sample: Number of samples to replay, and to read with each consumer.
        seed: Which samples those are.
        bench: A bench that must share no source video with the release.
        repair_from: A folder or repository from which broken members are fetched first; None repairs nothing.
        workers: Number of processes; None is one per CPU. More than one are spawned, so a script needs
            `if __name__ == "__main__"`.
        progress: Reports progress.
        say: Receives, as text, what is about to be read.

    Raises:
        ReleaseError: there is no release, it cannot be read, or a level that was named cannot be tried.
        SparkleError: more than one worker, and a script without `if __name__ == "__main__"`.
    """
    from sparkle.hub.verify.levels import verify_release
    from sparkle.hub.verify.report import LEVELS, VerifyOptions
    from sparkle.schemas.errors import ConfigError

    unknown = sorted({*(levels or ())} - {*LEVELS})
    if unknown:
        raise ConfigError("unknown level", got=", ".join(unknown), wanted=f"some of {', '.join(LEVELS)}")
    options = VerifyOptions(
        levels=tuple(levels or LEVELS),
        required=bool(levels),
        sample=sample,
        seed=seed,
        bench=None if bench is None else Path(bench),
        workers=workers,
        origin=None if repair_from is None else str(repair_from),
        say=say,
    )
    return verify_release(release, options, progress)
