"""Wan2.2-Fun's transformers from a checkpoint, in either layout.

- As published: `high_noise_model/` and `low_noise_model/`, with Wan's original names of weights, which are
  renamed. The folders say which is which (VideoX-Fun's variables are the other way round than diffusers').
- As diffusers saves: `transformer/` (high noise) and `transformer_2/` (low noise).
"""

from __future__ import annotations

import json
from itertools import chain
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers.loaders.single_file_utils import convert_wan_transformer_to_diffusers
from safetensors import SafetensorError
from safetensors.torch import load_file

from sparkle.generation.diffusion.checkpoint import Checkpoint, fetch
from sparkle.generation.diffusion.fun_control import FunControlTransformer
from sparkle.generation.weights import Weights
from sparkle.schemas.errors import ConfigError

_PUBLISHED = ("high_noise_model", "low_noise_model")
_DIFFUSERS = ("transformer", "transformer_2")


def load_transformers(weights: Weights, dtype: torch.dtype) -> tuple[Any, Any]:
    """The transformers of a checkpoint for high and for low noise.

    Args:
        weights: Where it is.
        dtype: Of the weights, save those that Wan's class keeps in float32.

    Raises:
        ConfigError: it cannot be had or read, or is not whole.
    """
    checkpoint = fetch(weights, (*_PUBLISHED, *_DIFFUSERS))
    if (checkpoint.folder / _PUBLISHED[0]).is_dir():
        high, low = (_load_published(checkpoint, name, dtype) for name in _PUBLISHED)
    else:
        high, low = (checkpoint.load_part(FunControlTransformer, name, dtype) for name in _DIFFUSERS)
    return high, low


def _load_published(checkpoint: Checkpoint, name: str, dtype: torch.dtype) -> Any:
    folder = checkpoint.folder / name
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        tensors = [load_file(file) for file in sorted(folder.glob("*.safetensors"))]
    except (OSError, ValueError, SafetensorError) as error:
        raise checkpoint.weights.problem(error) from None
    with init_empty_weights(include_buffers=False):
        model = FunControlTransformer(**_arguments(checkpoint, config, name))
    named = {
        weight: tensor.to(torch.float32 if _stays_exact(weight) else dtype)
        for weight, tensor in _rename(dict(chain.from_iterable(file.items() for file in tensors))).items()
    }
    try:
        report = model.load_state_dict(named, strict=False, assign=True)
    except RuntimeError as error:  # a weight of another shape
        raise checkpoint.weights.problem(error) from None
    checkpoint.check_whole(name, report.missing_keys, report.unexpected_keys)
    return model.eval()


def _arguments(checkpoint: Checkpoint, config: dict[str, Any], part: str) -> dict[str, Any]:
    """Wan's own configuration in diffusers' words."""
    try:
        return {
            "num_attention_heads": config["num_heads"],
            "attention_head_dim": config["dim"] // config["num_heads"],
            "in_channels": config["in_dim"],
            "out_channels": config["out_dim"],
            "text_dim": config.get("text_dim", 4096),  # UMT5-XXL's, where it is left out
            "freq_dim": config["freq_dim"],
            "ffn_dim": config["ffn_dim"],
            "num_layers": config["num_layers"],
            "eps": config.get("eps", 1e-6),
        }
    except KeyError as error:
        raise ConfigError(
            "not the configuration of such a model",
            got=f"{part}/config.json has no {error}",
            where=checkpoint.weights.model,
        ) from None


def _rename(weights: dict[str, Any]) -> dict[str, Any]:
    reference = {name: weights.pop(name) for name in list(weights) if name.startswith("ref_conv.")}
    named: dict[str, Any] = convert_wan_transformer_to_diffusers(weights)
    return {**named, **{f"patch_embedding.{name}": tensor for name, tensor in reference.items()}}


def _stays_exact(name: str) -> bool:
    return any(part in name.split(".") for part in FunControlTransformer._keep_in_fp32_modules)
