"""Random diffusion models of the real classes, small enough to be built and run in seconds.

Nothing is downloaded. Folders are as diffusers saves them; Fun-Control's also as it is published. Tokenizers
are trained on the prompts of this package, so that these are not longer than a model reads.
"""

from __future__ import annotations

import json
import re
import string
from importlib import resources
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKLFlux2,
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Transformer2DModel,
    UniPCMultistepScheduler,
    WanImageToVideoPipeline,
    WanTransformer3DModel,
    WanVACEPipeline,
    WanVACETransformer3DModel,
)
from safetensors.torch import save_file

from sparkle.generation.backends.diffusion.fun_control import FunControlTransformer

MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")
TEMPLATE = (
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\n' + message.content }}"
    "{{- '<|im_end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}"
    "{%- if enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}{%- endif %}"
)
WAN = {
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "out_channels": 16,
    "text_dim": 32,
    "freq_dim": 32,
    "ffn_dim": 32,
    "num_layers": 2,
    "rope_max_seq_len": 128,
}
ORIGINAL_NAMES = {  # diffusers' names of Wan's weights to the published ones
    r"condition_embedder\.time_embedder\.linear_1": "time_embedding.0",
    r"condition_embedder\.time_embedder\.linear_2": "time_embedding.2",
    r"condition_embedder\.text_embedder\.linear_1": "text_embedding.0",
    r"condition_embedder\.text_embedder\.linear_2": "text_embedding.2",
    r"condition_embedder\.time_proj": "time_projection.1",
    r"^scale_shift_table": "head.modulation",
    r"^proj_out": "head.head",
    r"attn1\.": "self_attn.",
    r"attn2\.": "cross_attn.",
    r"\.to_out\.0": ".o",
    r"\.to_([qkv])\b": r".\1",
    r"\.ffn\.net\.0\.proj": ".ffn.0",
    r"\.ffn\.net\.2": ".ffn.2",
    r"\.scale_shift_table": ".modulation",
    r"\.norm2\.": ".norm3.",
    r"^patch_embedding\.ref_conv": "ref_conv",
}


def flux2_klein(folder: Path, *, seed: int = 0, distilled: bool = True) -> Path:
    """FLUX.2-klein: hidden states 9, 18 and 27 of its text encoder are read."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(seed)
    tokenizer = _bpe_tokenizer()
    text_encoder = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=28,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=8,
            max_position_embeddings=1024,
            initializer_range=0.4,  # wide enough that the picture hangs on the prompt
            tie_word_embeddings=True,
        )
    )
    transformer = Flux2Transformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=48,
        timestep_guidance_channels=32,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )
    vae = AutoencoderKLFlux2(
        sample_size=32,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(4, 4, 4, 4),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=2,
    )
    scheduler = FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True, shift=3.0, base_shift=0.5, max_shift=1.15
    )
    Flux2KleinPipeline(
        scheduler=scheduler,
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        transformer=transformer,
        is_distilled=distilled,
    ).save_pretrained(folder)
    return folder


def wan22_i2v(folder: Path, *, seed: int = 0, both: bool = True) -> Path:
    """Wan2.2-I2V: a transformer for high noise and one for low."""
    WanImageToVideoPipeline(
        **_wan_parts(seed),
        transformer=_wan(WanTransformer3DModel, seed + 1, in_channels=36),
        transformer_2=_wan(WanTransformer3DModel, seed + 2, in_channels=36) if both else None,
        image_encoder=None,
        image_processor=None,
        boundary_ratio=0.9 if both else None,
    ).save_pretrained(folder)
    return folder


def wan_vace(folder: Path, *, seed: int = 0) -> Path:
    """Wan2.2-VACE-Fun."""
    layers = {"in_channels": 16, "vace_layers": [0, 1]}
    WanVACEPipeline(
        **_wan_parts(seed),
        transformer=_wan(WanVACETransformer3DModel, seed + 1, **layers),
        transformer_2=_wan(WanVACETransformer3DModel, seed + 2, **layers),
        boundary_ratio=0.9,
    ).save_pretrained(folder)
    return folder


def fun_control(folder: Path, *, seed: int = 0, published: bool = False, in_channels: int = 52) -> Path:
    """Wan2.2-Fun-Control's transformers, as diffusers saves them or as they are published."""
    names = ("high_noise_model", "low_noise_model") if published else ("transformer", "transformer_2")
    for number, name in enumerate(names, start=1):
        model = _wan(FunControlTransformer, seed + number, in_channels=in_channels)
        if published:
            _save_published(folder / name, model)
        else:
            model.save_pretrained(folder / name)
    return folder


def lightx2v(folder: Path, *, seed: int = 0) -> Path:
    """LoRAs named as LightX2V names them: high.safetensors and low.safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    dim, ffn, rank = 24, 32, 4
    shapes = {f"{part}.{name}": (dim, dim) for part in ("self_attn", "cross_attn") for name in "qkvo"}
    shapes |= {"ffn.0": (ffn, dim), "ffn.2": (dim, ffn)}
    for number, name in enumerate(("high", "low")):
        generator = torch.Generator().manual_seed(seed + number)
        weights = {}
        for block in range(WAN["num_layers"]):
            for layer, (out, into) in shapes.items():
                key = f"diffusion_model.blocks.{block}.{layer}"
                weights[f"{key}.lora_down.weight"] = torch.randn(rank, into, generator=generator)
                weights[f"{key}.lora_up.weight"] = torch.randn(out, rank, generator=generator) * 0.3
                weights[f"{key}.alpha"] = torch.tensor(rank / 2)
        save_file(weights, folder / f"{name}.safetensors")
    return folder


def _wan(model_class, seed: int, **options):
    torch.manual_seed(seed)
    return model_class(**{**WAN, **options}).eval()


def _wan_parts(seed: int) -> dict:
    """Tokenizer, text encoder, autoencoder and scheduler; means and deviations are of 16 latent channels."""
    from transformers import UMT5Config, UMT5EncoderModel

    torch.manual_seed(seed)
    tokenizer = _unigram_tokenizer()
    text_encoder = UMT5EncoderModel(
        UMT5Config(
            vocab_size=len(tokenizer),
            d_model=32,
            d_kv=8,
            d_ff=37,
            num_layers=2,
            num_heads=4,
            relative_attention_num_buckets=8,
            pad_token_id=0,
            eos_token_id=1,
        )
    )
    vae = AutoencoderKLWan(
        base_dim=3,
        z_dim=16,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
    )
    scheduler = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    )
    return {"tokenizer": tokenizer, "text_encoder": text_encoder, "vae": vae, "scheduler": scheduler}


def _save_published(folder: Path, model) -> None:
    """Wan's own names and configuration, in two files as in the large checkpoint."""
    folder.mkdir(parents=True)
    weights = {}
    for name, tensor in model.state_dict().items():
        new = name
        for pattern, replacement in ORIGINAL_NAMES.items():
            new = re.sub(pattern, replacement, new)
        weights[new] = tensor.contiguous()
    names = sorted(weights)
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        save_file(
            {name: weights[name] for name in part},
            folder / f"diffusion_pytorch_model-0000{number}-of-00002-bf16.safetensors",
        )
    config = model.config
    own = {
        "dim": config.num_attention_heads * config.attention_head_dim,
        "num_heads": config.num_attention_heads,
        "in_dim": config.in_channels,
        "out_dim": config.out_channels,
        "text_dim": config.text_dim,
        "freq_dim": config.freq_dim,
        "ffn_dim": config.ffn_dim,
        "num_layers": config.num_layers,
        "eps": config.eps,
    }
    (folder / "config.json").write_text(json.dumps(own))


def _texts() -> list[str]:
    folder = resources.files("sparkle.generation.backends.vlm").joinpath("prompts")
    prompts = [folder.joinpath(f"{name}.txt").read_text("utf-8") for name in ("removal", "animation")]
    taxonomy = resources.files("sparkle.generation").joinpath("taxonomy.toml").read_text("utf-8")
    words = [
        line for line in taxonomy.splitlines() if not line.startswith(("look", "  {"))
    ]  # not the recipes
    return [*prompts, "\n".join(words)]


def _bpe_tokenizer():
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import Qwen2TokenizerFast

    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=700, initial_alphabet=alphabet, show_progress=False)
    trained.train_from_iterator(_texts(), trainer)
    learned = json.loads(trained.to_str())["model"]
    tokenizer = Qwen2TokenizerFast(
        vocab=learned["vocab"],
        merges=[tuple(pair) for pair in learned["merges"]],
        unk_token=MARKS[0],
        eos_token=MARKS[2],
        pad_token=MARKS[0],
    )
    tokenizer.add_tokens([AddedToken(mark, special=True) for mark in MARKS], special_tokens=True)
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def _unigram_tokenizer():
    from transformers import T5TokenizerFast

    words = sorted({word for text in _texts() for word in re.findall(r"[a-z]{2,}", text)})
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    vocabulary += [(character, -9.0) for character in string.printable if not character.isspace()]
    vocabulary += [(f"▁{word}", -3.0) for word in words]
    tokenizer = T5TokenizerFast(vocab=vocabulary, extra_ids=0)
    tokenizer.model_max_length = 512
    return tokenizer
