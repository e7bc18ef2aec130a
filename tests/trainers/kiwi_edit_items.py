"""Kiwi-Edit's items beside the drop-in's: `kiwi_edit_items.py CHECKOUT CHANGED OUT THEIRS OURS ARGUMENTS`.

One dataset is made by the checkout's train.py, the other by CHANGED, the same with another import. THEIRS and
OURS are BASE,METADATA each. A line of JSON per item is written to OUT.
"""

from __future__ import annotations

import json
import runpy
import sys

import torchvision_on_cpu  # noqa: F401

checkout, changed, out, *places = sys.argv[1:6]
arguments = sys.argv[6:]
sys.path.insert(0, checkout)

import kiwi_edit_weights  # noqa: E402
import numpy as np  # noqa: E402
from diffsynth.trainers import utils  # noqa: E402

kiwi_edit_weights.install()


def videos(train, place):
    """What train.py makes of them."""
    made = []
    utils.launch_mix_training_task = lambda dataset, vid, vid_ref, *rest, **options: made.append(vid)
    base, metadata = place.split(",")
    sys.argv = [train, *arguments, "--dataset_base_path", base, "--vid_dataset_metadata_path", metadata]
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


own, dropin = videos(f"{checkout}/train.py", places[0]), videos(changed, places[1])
assert [type(dataset).__module__.split(".")[0] for dataset in (own, dropin)] == ["diffsynth", "sparkle"]
assert len(own) == len(dropin)
with open(out, "w", encoding="utf-8") as file:
    file.writelines(json.dumps(compared(own[row], dropin[row])) + "\n" for row in range(len(own)))
