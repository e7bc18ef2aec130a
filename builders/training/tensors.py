"""Items as torch tensors, and batches of them; torch is imported here and in `stream`.

- "THWC" leaves pixels as they were decoded: uint8 in [0, 255]. "CTHW" is what video models take: float32 in
  [-1, 1], channels first.
- Masks are bool (T, H, W), or float32 0 and 1 as (1, T, H, W).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, Literal, get_args

import numpy as np

from sparkle._extras import install
from sparkle.schemas.errors import ConfigError

Tensors = Literal["THWC", "CTHW"]


def require_form(form: str) -> None:
    """Raise ConfigError for a form that does not exist."""
    if form not in get_args(Tensors):
        raise ConfigError("invalid tensors", got=form, wanted=f"one of {', '.join(get_args(Tensors))}")


def import_torch() -> ModuleType:
    """Import torch; raises ConfigError where it is not installed."""
    try:
        import torch
    except ImportError as error:
        raise ConfigError("torch is not installed", wanted="torch", fix=install("train")) from error
    return torch  # type: ignore[no-any-return]  # untyped


def to_tensors(item: Mapping[str, Any], form: Tensors) -> dict[str, Any]:
    """Return an item whose arrays are tensors.

    Args:
        item: What `Clip.decode` returns; what is not an array stays as it is.
        form: "THWC" or "CTHW".
    """
    return {
        name: _to_tensor(value, form) if isinstance(value, np.ndarray) else value
        for name, value in item.items()
    }


def _to_tensor(array: Any, form: Tensors) -> Any:
    tensor = import_torch().from_numpy(array)
    if form == "THWC":
        return tensor
    if array.dtype == np.bool_:
        return tensor[None].float()
    first = (tensor.ndim - 1, *range(tensor.ndim - 1))
    return tensor.permute(first).float().div_(127.5).sub_(1).contiguous()


def collate(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Make a batch of items: tensors are stacked, the rest is as in torch's `default_collate`.

    The tensors of a batch of one are those of its item, which are not copied.

    Example:
        >>> pairs = sparkle.PairDataset("releases/demo", clip=sparkle.Clip(frames=5))
        >>> sparkle.collate([pairs[0], pairs[1]])["edited_video"].shape
        torch.Size([2, 5, 32, 64, 3])

    Raises:
        ConfigError: tensors differ in shape.
    """
    for name, value in items[0].items():
        shapes = {tuple(item[name].shape) for item in items if hasattr(value, "shape")}
        if len(shapes) > 1:
            raise ConfigError(
                "samples of a batch differ in shape",
                got=f"{name}: " + " and ".join(map(str, sorted(shapes))),
                fix='bucket_by=("frames", "height", "width"), one height and width, or batches of one',
            )
    torch = import_torch()
    if len(items) > 1:
        batch: dict[str, Any] = torch.utils.data.default_collate(list(items))
        return batch
    return {
        name: value[None] if torch.is_tensor(value) else torch.utils.data.default_collate([value])
        for name, value in items[0].items()
    }
