"""A random SAM3 video tracker of the real classes, small enough to track a clip in a second."""

from __future__ import annotations

from pathlib import Path

SIDE, PATCH, WIDE = 112, 14, 128


def build(folder: Path, *, seed: int = 0) -> Path:
    """Random weights that are wide enough for masks with a shape, of objects that are always there."""
    import torch
    from transformers import Sam3TrackerVideoModel

    torch.manual_seed(seed)
    model = Sam3TrackerVideoModel(_config()).eval()
    with torch.no_grad():
        for name, values in model.named_parameters():
            if "obj_score_head.proj_out" in name:
                values.fill_(5.0 if name.endswith("bias") else 0.0)
            elif values.ndim > 1:
                values.normal_(0, 0.2)
    model.save_pretrained(folder)
    return folder


def _config():
    """8 x 8 patches. Memory channels are 64 whatever is asked for, and the rest must be a larger multiple."""
    from transformers import Sam3TrackerVideoConfig

    grid = SIDE // PATCH
    return Sam3TrackerVideoConfig(
        vision_config={
            "model_type": "sam3_vision_model",
            "fpn_hidden_size": WIDE,
            "backbone_feature_sizes": [[grid * scale] * 2 for scale in (4, 2, 1)],
            "backbone_config": {
                "model_type": "sam3_vit_model",
                "hidden_size": WIDE,
                "intermediate_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "image_size": SIDE,
                "patch_size": PATCH,
                "window_size": 4,
                "global_attn_indexes": [1],
                "pretrain_image_size": SIDE,
            },
        },
        prompt_encoder_config={
            "hidden_size": WIDE,
            "image_size": SIDE,
            "patch_size": PATCH,
            "mask_input_channels": 16,
        },
        mask_decoder_config={
            "hidden_size": WIDE,
            "mlp_dim": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": WIDE,
        },
        memory_attention_hidden_size=WIDE,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=64,
        memory_attention_rope_feat_sizes=[grid, grid],
        memory_encoder_hidden_size=WIDE,
        memory_encoder_output_channels=64,
        mask_downsampler_embed_dim=WIDE,
        memory_fuser_embed_dim=WIDE,
        memory_fuser_intermediate_dim=64,
        image_size=SIDE,
    )
