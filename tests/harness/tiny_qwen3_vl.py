"""A random Qwen3-VL of the real classes, small enough to be built and asked in seconds.

Nothing is downloaded: its tokenizer is a byte-level BPE without merges (256 bytes and Qwen's marks). Its
folder declares what the real repository does, sampling defaults included.
"""

from __future__ import annotations

import json
from pathlib import Path

MARKS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
# What the real template does for turns of text and images.
TEMPLATE = (
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\n' }}"
    "{%- for part in message.content %}"
    "{%- if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{%- else %}{{ part.text }}{%- endif %}"
    "{%- endfor %}{{- '<|im_end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
PICTURES = {
    "size": {"longest_edge": 16_777_216, "shortest_edge": 4096},
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.5] * 3,
    "image_std": [0.5] * 3,
    "processor_class": "Qwen3VLProcessor",
    "image_processor_type": "Qwen2VLImageProcessorFast",
}


def build(folder: Path, *, seed: int = 0, says: str | None = None) -> Path:
    """Write the checkpoint; the seed draws its weights.

    With `says` the model knows one answer to everything: it is a single token of its tokenizer, and the
    layers between embedding and head are silent.
    """
    import torch
    from transformers import Qwen3VLForConditionalGeneration

    tokenizer = _tokenizer(says)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PICTURES))
    config = _config(tokenizer)
    torch.manual_seed(seed)
    model = Qwen3VLForConditionalGeneration(config).eval()
    if says is not None:
        _teach(model, tokenizer, says)
    own = model.generation_config
    own.eos_token_id = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    own.pad_token_id = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    own.do_sample, own.temperature, own.top_p, own.top_k = True, 0.7, 0.8, 20
    model.save_pretrained(folder)
    return folder


def _teach(model, tokenizer, says: str) -> None:
    """Make the model say one token behind the template's last newline, and end there."""
    import torch

    newline = tokenizer("\n").input_ids[-1]
    said, end = tokenizer.convert_tokens_to_ids([says, "<|im_end|>"])
    words, head = model.model.language_model.embed_tokens.weight, model.lm_head.weight
    with torch.no_grad():
        for layer in model.model.language_model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        head.zero_()
        for after, (token, follower) in enumerate([(newline, said), (said, end)]):
            words[token] = torch.eye(words.shape[1])[after]
            head[follower] = torch.eye(words.shape[1])[after]


def _tokenizer(says: str | None):
    from tokenizers import AddedToken
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import Qwen2TokenizerFast

    vocabulary = {byte: index for index, byte in enumerate(sorted(ByteLevel.alphabet()))}
    tokenizer = Qwen2TokenizerFast(
        vocab=vocabulary,
        merges=[],
        **{"unk_token": MARKS[0], "eos_token": MARKS[2], "pad_token": MARKS[0]},
    )
    tokenizer.add_tokens([AddedToken(mark, special=True) for mark in MARKS], special_tokens=True)
    if says is not None:
        tokenizer.add_tokens([AddedToken(says, normalized=False)])
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def _config(tokenizer):
    from transformers import Qwen3VLConfig

    spread = 0.4  # of the weights: wide enough that the answer hangs on every input
    return Qwen3VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 16,
            "max_position_embeddings": 32_768,
            "initializer_range": spread,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 5_000_000.0,
                "mrope_section": [4, 2, 2],
                "mrope_interleaved": True,
            },
        },
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "out_hidden_size": 32,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0],
            "initializer_range": spread,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        vision_start_token_id=tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=tokenizer.convert_tokens_to_ids("<|vision_end|>"),
        tie_word_embeddings=False,
    )
