"""Train a small model on pairs of a release, and resume where it was stopped.

    python examples/train_loop.py RELEASE [--checkpoint FOLDER] [--epochs 1] [--workers 2]

RELEASE is the folder of a release or an index, or owner/name[@revision] on a Hub. Stop it at any moment and
run the same command again: it goes on with the samples that it had not trained on, also with another number
of workers. The model is a stand-in of three layers; put yours in its place.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader

from sparkle import Clip, PairDataset, collate


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("release", help="A folder, or owner/name[@revision] on a Hub.")
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoint"), help="Folder of the weights.")
    parser.add_argument("--epochs", type=int, default=1, help="Number of epochs.")
    parser.add_argument("--workers", type=int, default=2, help="Number of processes that decode.")
    parser.add_argument("--frames", type=int, default=5, help="Number of frames per sample.")
    parser.add_argument("--max-pixels", type=int, default=64 * 64, help="Most pixels of a frame.")
    options = parser.parse_args()

    # float32 (3, T, H, W) in [-1, 1]; the mask, (1, T, H, W), has the same window, box and mirror image.
    pairs = PairDataset(
        options.release,
        clip=Clip(frames=options.frames, max_pixels=options.max_pixels, flip=0.5),
        streams=("source_video", "edited_video", "source_video_mask"),
        tensors="CTHW",
        seed=0,
    )
    # Batches of one shape each. With several GPUs: rank=..., world_size=..., drop_last=True.
    sampler = pairs.sampler(batch_size=2, bucket_by=("height", "width"))
    loader = DataLoader(pairs, batch_sampler=sampler, collate_fn=collate, num_workers=options.workers)

    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv3d(4, 16, 3, padding=1), nn.SiLU(), nn.Conv3d(16, 3, 3, padding=1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    state = sampler.state_at(0)
    latest = options.checkpoint / "latest.pt"
    if latest.exists():
        saved = torch.load(latest)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        state = saved["data"]
        sampler.resume(state)
        print(f"going on at epoch {state['epoch']}, sample {state['position']} of {len(pairs)}")

    while state["epoch"] < options.epochs:
        for batch in loader:  # an iteration is an epoch, or what is left of it
            source, edited = batch["source_video"], batch["edited_video"]
            made = model(torch.cat([source, batch["source_video_mask"]], dim=1))
            loss = nn.functional.mse_loss(made, edited)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            # What this batch has used up, whatever workers have fetched ahead: four integers.
            state = sampler.state_after(batch)
            save(latest, model=model.state_dict(), optimizer=optimizer.state_dict(), data=state)
            print(f"loss {loss.item():.4f}  {', '.join(batch['id'])}")
    print(f"trained on {len(pairs)} pairs, {options.epochs} times")


def save(path: Path, **parts: object) -> None:
    """Put a checkpoint in place whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(parts, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)


if __name__ == "__main__":
    main()
