"""Kiwi-Edit's own items beside the drop-in's: `kiwi_edit_items.py CHECKOUT OUT BASE METADATA ARGUMENTS`.

Both datasets are made by the checkout's train.py with ARGUMENTS; OURS=BASE,METADATA gives the drop-in others.
A line of JSON per item is written to OUT.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from pathlib import Path

import torchvision_on_cpu  # noqa: F401

checkout, out, base, metadata, *arguments = sys.argv[1:]
sys.path.insert(0, checkout)

import kiwi_edit_weights  # noqa: E402
import numpy as np  # noqa: E402
from diffsynth.trainers import unified_dataset, utils  # noqa: E402

from sparkle import kiwi  # noqa: E402

kiwi_edit_weights.install()


def videos(base, metadata):
    """What train.py makes of them."""
    made = []
    utils.launch_mix_training_task = lambda dataset, vid, vid_ref, *rest, **options: made.append(vid)
    train = str(Path(checkout) / "train.py")
    sys.argv = [train, "--dataset_base_path", base, "--vid_dataset_metadata_path", metadata, *arguments]
    runpy.run_path(train, run_name="__main__")
    return made[0]


def difference(one, other) -> float:
    return float(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).mean())


def compared(theirs, ours) -> dict:
    """What the two say of one row."""
    line = {
        "text": [{key: item[key] for key in item if isinstance(item[key], str)} for item in (theirs, ours)]
    }
    for key in ("src_video", "tgt_video"):
        left, right = theirs[key], ours[key]
        line[key] = {
            "shape": [[len(half), half[0].size, half[0].mode] for half in (left, right)],
            "levels": max(map(difference, left, right)),
            # frames that fit a neighbour of theirs better than theirs of the same number
            "out_of_place": sum(
                difference(left[index], right[near]) < difference(left[index], right[index])
                for index in range(len(left))
                for near in (index - 1, index + 1)
                if 0 <= near < len(right)
            ),
        }
    return line


own = videos(base, metadata)
unified_dataset.UnifiedDataset = kiwi.UnifiedDataset
dropin = videos(*os.environ.get("OURS", f"{base},{metadata}").split(","))
assert type(own) is not type(dropin), "train.py made the same dataset twice"
assert len(own) == len(dropin)
with open(out, "w", encoding="utf-8") as file:
    file.writelines(json.dumps(compared(own[row], dropin[row])) + "\n" for row in range(len(own)))
