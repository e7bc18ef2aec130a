"""DiffSynth-Studio's own training on tiny weights: `diffsynth_run.py CHECKOUT SCRIPT OUT OPTIONS...`.

SCRIPT is one of its scripts for Wan's LoRA, with OPTIONS in place of its own, and clips in the sizes that
they have. Every item that the training module is given is written to OUT: an npz per item, with the prompt.
Only weights and sizes of models are replaced, and librosa, which is imported for everything and not called
here: classes, pipeline, dataset, loop and accelerate are the real ones.
"""

from __future__ import annotations

import importlib.machinery
import runpy
import shlex
import sys
import types
from pathlib import Path

import torchvision_on_cpu  # noqa: F401

checkout, script, out, *options = sys.argv[1:]
sys.path.insert(0, checkout)
librosa = types.ModuleType("librosa")
librosa.load, librosa.__spec__ = None, importlib.machinery.ModuleSpec("librosa", None)
sys.modules["librosa"] = librosa

import diffsynth.models.wan_video_vae as vae_module  # noqa: E402
import diffsynth.pipelines.wan_video as module  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from diffsynth.diffusion import DiffusionTrainingModule  # noqa: E402
from diffsynth.models.wan_video_vace import VaceWanModel  # noqa: E402

IS_VACE = "VACE" in script
SIZE = {"dim": 96, "num_heads": 2, "ffn_dim": 128, "eps": 1e-6, "patch_size": (1, 2, 2)}


def make_dit() -> torch.nn.Module:
    # A control model takes latents of the control and of an image too, and has an embedder of images.
    return module.WanModel(
        **SIZE,
        in_dim=16 if IS_VACE else 48,
        out_dim=16,
        text_dim=32,
        freq_dim=64,
        num_layers=2,
        has_image_input=not IS_VACE,
        has_ref_conv="V1.1" in script,
    )


def make_vae() -> torch.nn.Module:
    whole = vae_module.VideoVAE_
    vae_module.VideoVAE_ = lambda z_dim, **how: whole(dim=16, z_dim=z_dim)
    try:
        return module.WanVideoVAE()
    finally:
        vae_module.VideoVAE_ = whole


def make_text_encoder() -> torch.nn.Module:
    return module.WanTextEncoder(vocab=300, dim=32, dim_attn=32, dim_ffn=48, num_heads=2, num_layers=1)


def make_vace() -> torch.nn.Module:
    return VaceWanModel(vace_layers=(0, 1), vace_in_dim=96, has_image_input=False, **SIZE)


MADE = {
    "wan_video_dit": make_dit,
    "wan_video_vae": make_vae,
    "wan_video_text_encoder": make_text_encoder,
    **({"wan_video_vace": make_vace} if IS_VACE else {}),
}


class Pool:
    def fetch_model(self, name, index=None):
        torch.manual_seed(0)
        return MADE[name]().to(torch.bfloat16) if name in MADE else None


class Tokenizer:
    """Words are bytes."""

    def __init__(self, *args, **kwargs):
        pass

    def __call__(self, text, **kwargs):
        ids = list(text.encode())[:512]
        padding = [0] * (512 - len(ids))
        return torch.tensor([ids + padding]), torch.tensor([[1] * len(ids) + padding])


def note(trained, inputs) -> None:
    (data,) = inputs
    videos = {
        key: np.stack([*map(np.asarray, value)]) for key, value in data.items() if isinstance(value, list)
    }
    np.savez(Path(out) / f"item{note.count}.npz", prompt=np.array(data["prompt"]), **videos)
    note.count += 1


note.count = 0
made = DiffusionTrainingModule.__init__


def make(self, *args, **kwargs) -> None:
    made(self, *args, **kwargs)
    self.register_forward_pre_hook(note)


DiffusionTrainingModule.__init__ = make
module.WanVideoPipeline.download_and_load_models = lambda self, *args, **kwargs: Pool()
module.HuggingfaceTokenizer = Tokenizer
module.ModelConfig.download_if_necessary = lambda self, *args, **kwargs: None

folder = Path(checkout) / "examples/wanvideo/model_training"
shipped = (folder / "lora" / script).read_text().partition("train.py")[2].replace("\\\n", " ")
given: dict[str, list[str]] = {}
for word in [*shlex.split(shipped.partition("\n\n")[0]), *options]:
    if word.startswith("--"):
        values = given[word] = []
    else:
        values.append(word)
del given["--height"], given["--width"]
given |= {"--dataset_repeat": ["1"], "--num_epochs": ["1"], "--output_path": [str(Path(out) / "models")]}
sys.argv = ["train.py", *(word for option, words in given.items() for word in (option, *words))]
runpy.run_path(str(folder / "train.py"), run_name="__main__")
