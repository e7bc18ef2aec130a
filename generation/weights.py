"""Where a model's weights come from: a folder, or a repository of the Hugging Face Hub at a revision.

- A repository's revision is resolved to the commit that it names, which is what is loaded, what goes to
  fingerprints and what the provenance records. A commit is taken as it is; a branch or tag asks the Hub
  once per process, or the local cache where the Hub cannot be reached.
- A folder's revision is a hash over its files (remembered like those of artifacts: hashed once), so moving
  it changes nothing and changing a byte does. Its path is in the configuration alone.
- A model that is not there or that its licence gates is an error that says where to accept or fetch it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from sparkle._cache import HashCache
from sparkle.schemas.canonical import fingerprint
from sparkle.schemas.errors import ConfigError

T = TypeVar("T")

_COMMIT = re.compile("[0-9a-f]{40}")
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
# What tells a repository's commit at the price of a small file: the first is transformers', the second
# diffusers'.
_HEAD_FILES = ("config.json", "model_index.json")


@dataclass(frozen=True)
class Weights:
    """The weights of a model.

    Args:
        model: A folder, or a repository such as `Qwen/Qwen3-VL-32B-Instruct`.
        revision: A commit, branch or tag of the repository; None is its default branch.
    """

    model: str
    revision: str | None = None

    @property
    def name(self) -> str:
        """The repository, or the folder's own name: no path of this machine."""
        return self._folder.resolve().name if self.is_folder else self.model

    @property
    def commit(self) -> str:
        """The commit, or `sha256:` and the hash of a folder's content.

        Raises:
            ConfigError: there is no such model, or it cannot be had.
        """
        if self.is_folder:
            if self.revision is not None:
                raise ConfigError(
                    "a folder has no revision: its content is hashed", got=self.revision, where=self.model
                )
            return _folder_hash(self._folder)
        if _REPOSITORY.fullmatch(self.model) is None:
            raise ConfigError("there is no such folder of weights", got=self.model, wanted=_WANTED)
        if self.revision is not None and _COMMIT.fullmatch(self.revision):
            return self.revision
        return _repository_commit(self)

    def pinned(self, option: str) -> dict[str, Any]:
        """Return the commit as the value of the option that names the revision; nothing for a folder."""
        return {} if self.is_folder else {option: self.commit}

    def load(self, loader: Callable[..., T], **options: Any) -> T:
        """Return what a `from_pretrained` gives for these weights.

        Args:
            loader: A class's `from_pretrained`.
            options: Its further arguments.

        Raises:
            ConfigError: the model cannot be had or read; the error names repository, revision and licence.
        """
        commit = self.commit
        with self.errors():
            if self.is_folder:
                return loader(str(self._folder), local_files_only=True, **options)
            return loader(self.model, revision=commit, **options)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the errors of libraries that fetch or read these weights into a ConfigError."""
        from safetensors import SafetensorError

        try:
            yield
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise self.problem(error) from None

    def problem(self, error: BaseException) -> ConfigError:
        """Return an error of the Hub, or of loading, as one that says what to do."""
        if self.is_folder:
            return ConfigError(
                "the model cannot be loaded", got=_first_line(error), wanted=_WANTED, where=self.model
            )
        page = f"https://huggingface.co/{self.model}"
        return ConfigError(
            _explain(error),
            got=f"{self.model} at {self.revision or 'its default branch'}: {_first_line(error)}",
            wanted=_WANTED,
            where=page,
            fix="accept the licence on that page if it asks for it and log in with `hf auth login`; or give "
            "the folder of a copy as `model` and leave `revision` out",
        )

    @property
    def is_folder(self) -> bool:
        """Whether they are in a folder; an empty name is not the working folder's."""
        return bool(self.model) and self._folder.is_dir()

    @property
    def _folder(self) -> Path:
        return Path(self.model).expanduser()


_WANTED = "a folder with the model's files, or a repository of the Hugging Face Hub and its revision"


@cache
def _folder_hash(folder: Path) -> str:
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    with closing(HashCache()) as hashes:
        content = {path.relative_to(folder).as_posix(): hashes.sha256(path) for path in files}
    return f"sha256:{fingerprint(content)}"


@cache
def _repository_commit(weights: Weights) -> str:
    from huggingface_hub import snapshot_download

    try:
        snapshot = snapshot_download(
            weights.model, revision=weights.revision, allow_patterns=list(_HEAD_FILES)
        )
    except (OSError, ValueError) as error:
        raise weights.problem(error) from None
    return Path(snapshot).name


def _explain(error: BaseException) -> str:
    """Return what kept the Hub from giving a model: the libraries wrap its errors in their own."""
    from huggingface_hub import errors

    kinds: dict[type[Exception], str] = {  # a gated repository is also one that is not found
        errors.GatedRepoError: "the model's licence must be accepted before it can be fetched",
        errors.RepositoryNotFoundError: "there is no such model repository, or it is private",
        errors.RevisionNotFoundError: "the model's repository has no such revision",
        errors.LocalEntryNotFoundError: "the model is not on this machine, and the Hub cannot be reached",
        errors.OfflineModeIsEnabled: "the model is not on this machine, and the Hub cannot be reached",
    }
    for cause in _causes(error):
        for kind, words in kinds.items():
            if isinstance(cause, kind):
                return words
    return "the model cannot be loaded"


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
