"""Tiny random weights for Kiwi-Edit's own classes, so that its training runs on a CPU.

Only weights and sizes are replaced: the classes, the pipeline, the training module, the loop, accelerate and
DeepSpeed are the real ones. `install()` changes where they come from:
- `ModelManager`: WanModel and WanVideoVAE38 of few channels instead of files,
- `Qwen2_5_VLForConditionalGeneration`: the same class from a small configuration,
- `AutoProcessor`: the same processors with a tokenizer of bytes that has Qwen's numbers of special words.
"""

from __future__ import annotations

import torch

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif c['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
)
SPECIAL = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
FIRST_SPECIAL = 151643
IMAGE, VIDEO, START, END = (
    FIRST_SPECIAL + SPECIAL.index(f"<|{name}|>")
    for name in ("image_pad", "video_pad", "vision_start", "vision_end")
)


def tokenizer():
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import Qwen2TokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate(alphabet)}
    vocabulary |= {f"filler{number}": number for number in range(len(alphabet), FIRST_SPECIAL)}
    raw = Tokenizer(models.BPE(vocabulary, []))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.add_special_tokens([AddedToken(word, special=True) for word in SPECIAL])
    return Qwen2TokenizerFast(
        tokenizer_object=raw, eos_token=SPECIAL[2], pad_token=SPECIAL[0], chat_template=TEMPLATE
    )


def processor(*args, **kwargs):
    from transformers import Qwen2_5_VLProcessor, Qwen2VLImageProcessor
    from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor

    words = tokenizer()
    words.image_token, words.video_token = "<|image_pad|>", "<|video_pad|>"
    words.image_token_id, words.video_token_id = IMAGE, VIDEO
    return Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(),
        tokenizer=words,
        video_processor=Qwen2VLVideoProcessor(),
        chat_template=TEMPLATE,
    )


def language_model(cls, *args, torch_dtype=torch.bfloat16, **kwargs):
    from transformers import Qwen2_5_VLConfig

    config = Qwen2_5_VLConfig(
        text_config={
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "vocab_size": 151936,
            "max_position_embeddings": 32768,
            "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]},
            "max_window_layers": 2,
        },
        vision_config={
            "depth": 1,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_heads": 2,
            "out_hidden_size": 64,
            "fullatt_block_indexes": [0],
        },
        image_token_id=IMAGE,
        video_token_id=VIDEO,
        vision_start_token_id=START,
        vision_end_token_id=END,
    )
    config.hidden_size = 64
    torch.manual_seed(1)
    return cls(config).to(torch_dtype)


def dit():
    from diffsynth.models.wan_video_dit import WanModel

    torch.manual_seed(2)
    return WanModel(
        dim=64,
        in_dim=48,
        ffn_dim=96,
        out_dim=48,
        text_dim=64,
        freq_dim=64,
        eps=1e-6,
        patch_size=(1, 2, 2),
        num_heads=2,
        num_layers=2,
        has_image_input=False,
        seperated_timestep=True,
        require_clip_embedding=False,
        require_vae_embedding=False,
        fuse_vae_embedding_in_latents=True,
    ).to(torch.bfloat16)


def vae():
    import diffsynth.models.wan_video_vae as module

    torch.manual_seed(3)
    whole = module.VideoVAE38_
    module.VideoVAE38_ = lambda z_dim, dim: whole(z_dim=z_dim, dim=16, dec_dim=16)
    try:
        return module.WanVideoVAE38().to(torch.bfloat16)
    finally:
        module.VideoVAE38_ = whole


def install() -> None:
    from diffsynth.models import mllm_encoder
    from diffsynth.models.model_manager import ModelManager

    made = {"wan_video_dit": dit, "wan_video_vae": vae}
    ModelManager.load_model = lambda self, *args, **kwargs: None
    ModelManager.fetch_model = lambda self, name, *args, **kwargs: made[name]()
    mllm_encoder.Qwen2_5_VLForConditionalGeneration.from_pretrained = classmethod(language_model)
    mllm_encoder.AutoProcessor.from_pretrained = processor
