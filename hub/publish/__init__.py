"""A release goes to a Hub or a folder, so that a kill costs little and all of it becomes visible at once.

`publish` is what users call, as `sparkle.publish`. `publishing` does it, `plan` says what there is to do;
`spool` builds a release and publishes it tar by tar, for a disk that cannot hold it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sparkle._progress import Progress, silent

if TYPE_CHECKING:
    from sparkle.hub.publish.publishing import PublishReport


def publish(
    release: str | Path,
    repo: str | Path,
    *,
    remote: Literal["hub", "folder"] | str | None = None,
    revision: str | None = None,
    tag: str | None = None,
    private: bool = False,
    dry_run: bool = False,
    checkpoint: int | None = None,
    progress: Progress = silent,
    say: Callable[[str], None] | None = None,
) -> PublishReport:
    """Publish a release or a bench to a dataset repository on a Hub, a model to a model's, or to a folder.

    The release is checked first and never changed. Which Hub, and who you are, is up to the client:
    `HF_ENDPOINT`, `HF_TOKEN`, `hf auth login`. After a kill, the same call goes on and sends nothing twice.

    Example:
        >>> done = sparkle.publish("releases/demo", "./published/demo", tag="v1.0")
        >>> done.tag
        'v1.0'

    Args:
        release: The folder of the release, the bench or the model.
        repo: `owner/name`, or a folder.
        remote: What `repo` is; None for a folder where there is one or the name begins with `/`, `.` or `~`.
        revision: The branch, or the revision of a folder; it is made if need be.
        tag: A tag for the result. Tags are never moved.
        private: Make the repository private, and refuse one that is public.
        dry_run: Plan, and send nothing.
        checkpoint: Send one large file at a time, in steps of this many bytes, so that a kill costs no more.
        progress: Reports progress.
        say: Receives the plan, notes and waits, as text; without it, only waits are told, as warnings of the
            logger `sparkle`.

    Raises:
        ConfigError: an option does not fit, or there is no token that may write.
        ReleaseError: the release is not whole, the destination contains other files or changed meanwhile, or
            the Hub refuses.
    """
    from sparkle.builders.cards.model import is_model
    from sparkle.builders.reading.patience import tell
    from sparkle.builders.reading.repository import DATASET, MODEL
    from sparkle.hub.publish.publishing import PublishOptions, publish_release
    from sparkle.hub.targets.opening import open_target

    target = open_target(
        str(repo),
        remote,
        revision=revision,
        private=private,
        checkpoint=checkpoint,
        repository=MODEL if is_model(Path(release)) else DATASET,
        say=say or tell,
    )
    options = PublishOptions(tag, dry_run=dry_run)
    return publish_release(Path(release), target, options, progress, say or (lambda text: None))
