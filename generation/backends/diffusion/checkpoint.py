"""A checkpoint on this machine, and its parts, whole.

- A repository is brought here first, its safetensors alone (pickles are not read), and is then a folder: one
  way to load, whatever the source.
- diffusers fills what a checkpoint lacks with random weights and says so in a log at best; here it is an
  error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sparkle.generation.weights import Weights
from sparkle.schemas.errors import ConfigError

T = TypeVar("T")

INDEX = "model_index.json"
"""Names the class of a pipeline and of its parts."""

_NAMED = 5  # weights in an error
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


@dataclass(frozen=True)
class Checkpoint:
    """A model's folder.

    Args:
        weights: Where it came from.
        folder: Where it is.
    """

    weights: Weights
    folder: Path

    @property
    def index(self) -> dict[str, Any]:
        """The pipeline's index; raises ConfigError if there is none."""
        with self.weights.errors():
            index: dict[str, Any] = json.loads((self.folder / INDEX).read_text("utf-8"))
        return index

    def load(self, loader: Callable[..., T], **options: Any) -> T:
        """Return what a `from_pretrained` gives for the folder; raises ConfigError if it cannot be read."""
        with self.weights.errors():
            return loader(str(self.folder), local_files_only=True, **options)

    def load_part(self, part_class: Any, name: str, dtype: Any) -> Any:
        """Return a transformer or an autoencoder of diffusers.

        Args:
            part_class: Its class.
            name: Its folder in the checkpoint.
            dtype: Of its weights.

        Raises:
            ConfigError: it cannot be read, or lacks weights.
        """
        part, report = self.load(
            part_class.from_pretrained,
            subfolder=name,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
        )
        self.check_whole(name, report["missing_keys"], ())
        return part.eval()

    def check_whole(self, name: str, missing: Sequence[str], unknown: Sequence[str]) -> None:
        """Raise ConfigError if a part lacks weights, or has some that the model does not have."""
        found = {"missing": missing, "unknown": unknown}
        said = [f"{kind}: {', '.join(sorted(names)[:_NAMED])}" for kind, names in found.items() if names]
        if said:
            raise ConfigError(
                f"{name} does not hold the model's weights",
                got="; ".join(said),
                where=self.weights.model,
                fix="fetch the model again, with all of its files",
            )


def fetch(weights: Weights, wanted: Sequence[str]) -> Checkpoint:
    """Bring a model here.

    Args:
        weights: Where it is; a folder stays where it is.
        wanted: Folders and files of a repository, beside the index.

    Raises:
        ConfigError: it cannot be had.
    """

    def bring(model: str, *, revision: str | None = None, local_files_only: bool = False) -> Path:
        if local_files_only:
            return Path(model)
        from huggingface_hub import snapshot_download

        names = [INDEX, *wanted, *(f"{name}/*" for name in wanted)]
        found = snapshot_download(model, revision=revision, allow_patterns=names, ignore_patterns=[*_PICKLES])
        return Path(found)

    return Checkpoint(weights, weights.load(bring))
