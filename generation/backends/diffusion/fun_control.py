"""Wan2.2-Fun-A14B-Control on diffusers, which has no class for it: two small subclasses.

A transformer of this checkpoint takes 52 channels a latent frame (as in VideoX-Fun, where it comes from):

    noisy 16 | control video 16 | mask 4 | first frame 16

- The mask is 1 where a frame is known: the first one, if there is a start frame; mask and first frame are 0
  without. Pictures are the autoencoder's latents, normalised by its mean and deviation.
- One more frame of tokens comes in front, of the reference picture: its latents through a convolution of
  their own, `ref_conv`. Without a reference they are 0. What comes out for that frame is left out.
- The reference travels in 16 further channels of the condition, so that the stock pipeline's loop, which has
  one condition, is used as it is.

A checkpoint has its transformers in either of two layouts:

- As published: `high_noise_model/` and `low_noise_model/`, with Wan's original names of weights, which are
  renamed. The folders say which is which (VideoX-Fun's variables are the other way round than diffusers').
- As diffusers saves: `transformer/` (high noise) and `transformer_2/` (low noise).

Subclasses of torch and diffusers: this module is imported when a backend is set up.
"""

from __future__ import annotations

import json
from itertools import chain
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers import WanImageToVideoPipeline, WanTransformer3DModel
from diffusers.configuration_utils import register_to_config
from diffusers.loaders.single_file_utils import convert_wan_transformer_to_diffusers
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from safetensors.torch import load_file

from sparkle.generation.backends.diffusion.checkpoint import Checkpoint, fetch
from sparkle.generation.weights import Weights
from sparkle.schemas.errors import ConfigError

LATENT_CHANNELS = 16
"""Of Wan's video autoencoder."""


class ReferencePatchEmbedding(torch.nn.Conv3d):  # type: ignore[misc]  # untyped
    """Patches to tokens: the first frame is the reference and goes through `ref_conv`."""

    def __init__(self, in_channels: int, dim: int, patch_size: tuple[int, int, int]) -> None:
        super().__init__(in_channels, dim, kernel_size=patch_size, stride=patch_size)
        self.ref_conv = torch.nn.Conv2d(
            LATENT_CHANNELS, dim, kernel_size=patch_size[1:], stride=patch_size[1:]
        )

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Return tokens (B, dim, 1 + T, h, w) of frames (B, C, 1 + T, H, W), the reference in front."""
        reference = self.ref_conv(frames[:, :LATENT_CHANNELS, 0]).unsqueeze(2)
        return torch.cat([reference, super().forward(frames[:, :, 1:])], dim=2)


class FunControlTransformer(WanTransformer3DModel):  # type: ignore[misc]  # untyped
    """Wan's transformer with a reference frame; its arguments are those of Wan's."""

    @register_to_config  # type: ignore[untyped-decorator]  # of diffusers, which is not typed
    def __init__(
        self,
        patch_size: tuple[int, int, int] = (1, 2, 2),
        num_attention_heads: int = 40,
        attention_head_dim: int = 128,
        in_channels: int = 52,
        out_channels: int = 16,
        text_dim: int = 4096,
        freq_dim: int = 256,
        ffn_dim: int = 13824,
        num_layers: int = 40,
        cross_attn_norm: bool = True,
        qk_norm: str = "rms_norm_across_heads",
        eps: float = 1e-6,
        image_dim: int | None = None,
        added_kv_proj_dim: int | None = None,
        rope_max_seq_len: int = 1024,
        pos_embed_seq_len: int | None = None,
    ) -> None:
        super().__init__(
            patch_size=patch_size,
            num_attention_heads=num_attention_heads,
            attention_head_dim=attention_head_dim,
            in_channels=in_channels,
            out_channels=out_channels,
            text_dim=text_dim,
            freq_dim=freq_dim,
            ffn_dim=ffn_dim,
            num_layers=num_layers,
            cross_attn_norm=cross_attn_norm,
            qk_norm=qk_norm,
            eps=eps,
            image_dim=image_dim,
            added_kv_proj_dim=added_kv_proj_dim,
            rope_max_seq_len=rope_max_seq_len,
            pos_embed_seq_len=pos_embed_seq_len,
        )
        dim = num_attention_heads * attention_head_dim
        self.patch_embedding = ReferencePatchEmbedding(in_channels, dim, patch_size)

    def forward(
        self, hidden_states: torch.Tensor, *args: Any, return_dict: bool = True, **options: Any
    ) -> Any:
        """As Wan's; `hidden_states` (B, 52 + 16, T, H, W) has the reference in its last channels, frame 0."""
        own = self.config.in_channels
        frames, reference = hidden_states[:, :own], hidden_states[:, own:, :1]
        rest = reference.new_zeros(len(reference), own - LATENT_CHANNELS, *reference.shape[2:])
        joined = torch.cat([torch.cat([reference, rest], dim=1), frames], dim=2)
        made = super().forward(joined, *args, return_dict=False, **options)[0][:, :, 1:]
        return Transformer2DModelOutput(sample=made) if return_dict else (made,)


class FunControlPipeline(WanImageToVideoPipeline):  # type: ignore[misc]  # untyped
    """Wan's pipeline from a picture, guided by a control video as well."""

    @torch.no_grad()  # type: ignore[untyped-decorator]  # torch is not typed there
    def __call__(
        self, *, image: Any, control_video: list[Any], start_frame: bool, reference: bool, **options: Any
    ) -> Any:
        """Call it as Wan's.

        Args:
            image: The picture, PIL.
            control_video: As many PIL pictures as frames are asked for.
            start_frame: The picture is the video's first frame.
            reference: The picture is what the video looks like.
            options: Further arguments of Wan's pipeline.
        """
        self._guidance_of_call = control_video, (image if reference else None), start_frame
        try:
            return super().__call__(image=image, **options)
        finally:
            del self._guidance_of_call

    def prepare_latents(
        self,
        image: torch.Tensor,
        batch_size: int,
        num_channels_latents: int,
        height: int,
        width: int,
        num_frames: int,
        dtype: torch.dtype,
        device: torch.device,
        *args: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Noise, and the condition: control 16 | mask 4 | first frame 16 | reference 16."""
        control_video, reference, start_frame = self._guidance_of_call
        noise, known = super().prepare_latents(
            image, batch_size, num_channels_latents, height, width, num_frames, dtype, device, *args
        )
        if not start_frame:
            known = torch.zeros_like(known)
        if len(control_video) != num_frames:
            raise ValueError(f"{len(control_video)} control frames for {num_frames} frames")
        video = self.video_processor.preprocess_video(control_video, height=height, width=width)
        control = self._encode(video, dtype, device)
        look = torch.zeros_like(control)
        if reference is not None:
            picture = self.video_processor.preprocess(reference, height=height, width=width)
            look[:, :, :1] = self._encode(picture.unsqueeze(2), dtype, device)
        return noise, torch.cat([control, known, look], dim=1)

    def _encode(self, video: torch.Tensor, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        """Return normalised latents of a video (1, 3, T, H, W) in [-1, 1]."""
        config = self.vae.config
        latents = self.vae.encode(video.to(device, self.vae.dtype)).latent_dist.mode().to(device, dtype)
        mean, deviation = (
            torch.tensor(values, device=device, dtype=dtype).view(1, -1, 1, 1, 1)
            for values in (config.latents_mean, config.latents_std)
        )
        return (latents - mean) / deviation


# --- checkpoints -----------------------------------------------------------------------------------


_PUBLISHED = ("high_noise_model", "low_noise_model")
_DIFFUSERS = ("transformer", "transformer_2")


def load_transformers(weights: Weights, dtype: torch.dtype) -> tuple[Any, Any]:
    """Return the transformers of a checkpoint for high and for low noise.

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
    with checkpoint.weights.errors():
        config = json.loads((folder / "config.json").read_text("utf-8"))
        tensors = [load_file(file) for file in sorted(folder.glob("*.safetensors"))]
    with init_empty_weights(include_buffers=False):
        model = FunControlTransformer(**_arguments(checkpoint, config, name))
    named = {
        weight: tensor.to(torch.float32 if _stays_exact(weight) else dtype)
        for weight, tensor in _rename(dict(chain.from_iterable(file.items() for file in tensors))).items()
    }
    with checkpoint.weights.errors():  # such as a weight of another shape
        report = model.load_state_dict(named, strict=False, assign=True)
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
