"""The code of docs/training.md runs as it stands there, on a small release."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from harness import ROOT
from sparkle import Clip, PairDataset, open_pairs

pytest.importorskip("torch")

DOCS = ROOT / "docs" / "training.md"
BLOCKS = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)


def run(code, release, **names):
    """Run a block; small numbers stand in for those of a real training."""
    small = {
        '"releases/demo", ["location"]': repr(str(release)),
        "frames=17": "frames=5",
        "num_workers=2": "num_workers=1",
        "    print(": "    seen(batch['id']), print(",
        "        state = stream": "        seen(batch['id'])\n        state = stream",
    }
    for there, here in small.items():
        code = code.replace(there, here)
    exec(compile(code, str(DOCS), "exec"), names)  # noqa: S102
    return names


def test_a_loop_trains_on_everything_and_resumes(shared_release):
    seen = []
    names = run(BLOCKS[0], shared_release, seen=seen.extend)
    assert sorted(seen) == sorted(open_pairs(shared_release).ids)
    run(BLOCKS[1], shared_release, **names)
    assert names["state"]["epoch"] == 1
    assert len(list(names["loader"])) == len(names["sampler"])


def test_a_stream_goes_through_epochs(shared_release):
    ids = []
    pairs = PairDataset(shared_release, clip=Clip(frames=5))
    from torch.utils.data import DataLoader

    names = run(BLOCKS[2], shared_release, pairs=pairs, DataLoader=DataLoader, seen=ids.extend)
    assert set(Counter(ids).values()) == {2}
    assert names["state"] == {"seed": 0, "rows": 9, "epoch": 2, "position": 0}


def test_the_mixes_are_mixes(shared_release, whole_release):
    """The lines that mix, on places and themes that the tests have."""
    text = DOCS.read_text()
    assert 'mix={"location": 2, "season": 1}' in text
    order = PairDataset(shared_release).order(mix={"location": 2, "openve3m": 1})
    assert len(order.epoch(0).rows) == 9
    assert '.sampler(mix={"ours": 3, "upstream": 1})' in text
    places = {"ours": shared_release, "upstream": whole_release}
    assert len(PairDataset(places).sampler(mix={"ours": 3, "upstream": 1})) == 18
