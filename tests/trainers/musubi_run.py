"""musubi-tuner's own caching of latents, and what it then trains on: `musubi_run.py CHECKOUT OUT OPTIONS...`.

`main()` of wan_cache_latents.py runs with OPTIONS as it is. In place of a VAE, of which there are no weights,
stands one that gives latents of the right shape. What was encoded is written to OUT, an npz per item, and
`counts.json`: how often musubi's dataset for training has each pair. Captions are cached as zeros for that.
"""

from __future__ import annotations

import argparse
import collections
import json
import sys
from pathlib import Path

import torchvision_on_cpu  # noqa: F401

checkout, out, *options = sys.argv[1:]
sys.path.insert(0, str(Path(checkout) / "src"))

import numpy as np  # noqa: E402
import torch  # noqa: E402

torch.cuda.current_device = lambda: "cpu"  # a default argument of wan.modules.t5, which is not used here

from musubi_tuner import wan_cache_latents  # noqa: E402
from musubi_tuner.dataset import config_utils  # noqa: E402
from musubi_tuner.dataset.image_video_dataset import (  # noqa: E402
    ARCHITECTURE_WAN,
    save_text_encoder_output_cache_wan,
)


class Recorder:
    """Stands where the VAE stands."""

    def __init__(self, *args, **kwargs):
        self.device, self.dtype = torch.device("cpu"), torch.float32

    def encode(self, contents):
        batch, _, frames, height, width = contents.shape
        return list(torch.zeros(batch, 16, (frames - 1) // 4 + 1, height // 8, width // 8))


def encode(vae, clip, i2v, batch, one_frame=False):
    for item in batch:
        path = Path(item.latent_cache_path)
        name = f"{path.parent.name}+{path.stem}.npz"
        np.savez(
            Path(out) / name, caption=np.array(item.caption), target=item.content, source=item.control_content
        )
    encode_and_save(vae, clip, i2v, batch, one_frame)


wan_cache_latents.WanVAE = Recorder
encode_and_save, wan_cache_latents.encode_and_save_batch = wan_cache_latents.encode_and_save_batch, encode
sys.argv = ["wan_cache_latents.py", *options, "--device", "cpu", "--num_workers", "1"]
wan_cache_latents.main()

config = config_utils.load_user_config(options[options.index("--dataset_config") + 1])
generator = config_utils.BlueprintGenerator(config_utils.ConfigSanitizer())
blueprint = generator.generate(config, argparse.Namespace(), architecture=ARCHITECTURE_WAN).dataset_group
for dataset in config_utils.generate_dataset_group_by_blueprint(blueprint).datasets:
    for batch in dataset.retrieve_text_encoder_output_cache_batches(1):
        for item in batch:
            save_text_encoder_output_cache_wan(item, torch.zeros(4, 8))
counts: collections.Counter[str] = collections.Counter()
for dataset in config_utils.generate_dataset_group_by_blueprint(blueprint, training=True).datasets:
    for items in dataset.batch_manager.buckets.values():
        counts.update(item.item_key for item in items)
    for number in range(len(dataset)):
        batch = dataset.batch_manager[number]
        assert batch["latents"].shape == batch["latents_control"].shape
(Path(out) / "counts.json").write_text(json.dumps(counts))
