"""Plain DataLoader and torchdata's: all samples in order, and exactly the rest on resuming."""

from __future__ import annotations

import json

import pytest

from sparkle.builders.training.dataset import PairDataset
from sparkle.builders.training.item import Clip
from sparkle.builders.training.tensors import collate
from sparkle.schemas.errors import ConfigError

torch = pytest.importorskip("torch")
stateful = pytest.importorskip("torchdata.stateful_dataloader")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:'set_vital' is deprecated"),  # torchdata 0.11 with torch 2.13
]

WORKERS = [0, 1, 2]
SHUFFLES = ["rows", "blocks"]


@pytest.fixture(scope="module")
def pairs(shared_release):
    """Nine pairs, a frame each: what is decoded is not the point here."""
    return PairDataset(shared_release, clip=Clip(frames=1), seed=3)


def map_loader(pairs, workers, *, stateful_loader=False, **order):
    """The sampler and a loader of the map-style dataset."""
    sampler = pairs.sampler(**{"batch_size": 2} | order)
    kind = stateful.StatefulDataLoader if stateful_loader else torch.utils.data.DataLoader
    return sampler, kind(pairs, batch_sampler=sampler, collate_fn=collate, num_workers=workers)


def stream_loader(pairs, workers, *, stateful_loader=False, **order):
    """The stream and a loader of it."""
    stream = pairs.stream(**{"batch_size": 2, "shuffle": "rows"} | order)
    kind = stateful.StatefulDataLoader if stateful_loader else torch.utils.data.DataLoader
    return stream, kind(stream, batch_size=None, num_workers=workers)


LOADERS = pytest.mark.parametrize("make", [map_loader, stream_loader])


def ids(batches):
    return [name for batch in batches for name in batch["id"]]


def starts(batches):
    return dict(pair for batch in batches for pair in zip(batch["id"], batch["start"].tolist(), strict=True))


@LOADERS
@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("shuffle", SHUFFLES)
def test_any_number_of_workers_gives_the_order(pairs, make, workers, shuffle):
    _, loader = make(pairs, workers, shuffle=shuffle)
    rows = pairs.order(batch_size=2, shuffle=shuffle).epoch(0).rows
    batches = list(loader)
    assert ids(batches) == [pairs.parts[0].ids[row] for row in rows]
    assert len(batches) == len(loader) == 5
    assert batches[0]["source_video"].shape == (2, 1, 32, 64, 3)


@LOADERS
def test_ranks_together_see_everything_once(pairs, make):
    seen = [ids(make(pairs, 1, rank=rank, world_size=3)[1]) for rank in range(3)]
    assert sorted(name for part in seen for name in part) == sorted(pairs.parts[0].ids)


@LOADERS
@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("after", [1, 5])
def test_a_plain_loader_resumes_from_the_batch_that_was_used_last(pairs, make, workers, after):
    resumable, loader = make(pairs, workers)
    whole = list(loader)
    resumable, loader = make(pairs, workers)
    used = []
    for batch in loader:  # workers have fetched more than this by now
        used.append(batch)
        state = json.loads(json.dumps(resumable.state_after(batch)))
        if len(used) == after:
            break
    other, rest = make(pairs, 2 - workers)
    other.resume(state)
    assert ids(used) + (ids(rest) if state["epoch"] == 0 else []) == ids(whole)
    assert len(ids(whole)) == 9


@LOADERS
@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("after", [0, 3])
def test_torchdatas_loader_resumes_by_itself(pairs, make, workers, after):
    _, loader = make(pairs, workers, stateful_loader=True)
    iterator = iter(loader)
    used = [next(iterator) for _ in range(after)]
    state = loader.state_dict()
    _, fresh = make(pairs, workers, stateful_loader=True)
    fresh.load_state_dict(state)
    assert ids(used) + ids(fresh) == ids(make(pairs, 0)[1])


@pytest.mark.parametrize("workers", WORKERS)
def test_torchdatas_loader_goes_on_with_the_next_epoch(pairs, workers):
    _, loader = map_loader(pairs, workers, stateful_loader=True)
    epochs = [ids(loader) for _ in range(3)]
    assert len({tuple(epoch) for epoch in epochs}) == 3
    _, first = map_loader(pairs, workers, stateful_loader=True)
    list(first)
    state = first.state_dict()
    _, fresh = map_loader(pairs, workers, stateful_loader=True)
    fresh.load_state_dict(state)
    assert [ids(fresh), ids(fresh)] == epochs[1:]


@pytest.mark.parametrize("persistent", [False, True])
def test_streams_are_told_the_epoch(pairs, persistent):
    stream = pairs.stream(batch_size=2)
    loader = torch.utils.data.DataLoader(
        stream, batch_size=None, num_workers=2, persistent_workers=persistent
    )
    seen = []
    for epoch in (0, 1, 0):
        stream.set_epoch(epoch)
        seen.append(ids(loader))
    assert seen[0] == seen[2] != seen[1]
    assert sorted(seen[0]) == sorted(seen[1])


def test_spawned_workers_give_the_same(pairs):
    sampler = pairs.sampler(batch_size=2)
    loader = torch.utils.data.DataLoader(
        pairs, batch_sampler=sampler, collate_fn=collate, num_workers=1, multiprocessing_context="spawn"
    )
    stream = torch.utils.data.DataLoader(
        pairs.stream(batch_size=2, shuffle="rows"),
        batch_size=None,
        num_workers=1,
        multiprocessing_context="spawn",
    )
    assert ids(loader) == ids(stream) == ids(map_loader(pairs, 0)[1])


def test_windows_are_those_of_the_epoch(shared_release):
    pairs = PairDataset(shared_release, clip=Clip(frames=1), seed=3)
    sampler, loader = map_loader(pairs, 1)
    told = [starts(loader) for _ in range(2)]
    assert told[0].keys() == told[1].keys()
    assert told[0] != told[1]
    again, loader = map_loader(pairs, 2)
    again.resume({**sampler.state_at(0), "epoch": 1})
    assert starts(loader) == told[1]


def test_a_batch_of_one_is_as_torch_makes_it(pairs):
    item = pairs[3]
    batch, wanted = collate([item]), torch.utils.data.default_collate([item])
    assert batch.keys() == wanted.keys()
    for name, value in wanted.items():
        assert type(batch[name]) is type(value)
        if torch.is_tensor(value):
            assert batch[name].dtype == value.dtype
            assert torch.equal(batch[name], value)
        else:
            assert batch[name] == value
    assert batch["source_video"].data_ptr() == item["source_video"].data_ptr()


def test_clips_of_a_batch_must_agree_in_shape(pairs):
    items = [pairs[0], {**pairs[1], "source_video": pairs[1]["source_video"][:, :16]}]
    with pytest.raises(ConfigError, match="differ in shape") as caught:
        collate(items)
    assert "bucket_by" in caught.value.fix


@pytest.mark.parametrize("world", [1, 2, 3])
def test_accelerate_deals_the_same_batches_out(pairs, world):
    accelerate = pytest.importorskip("accelerate.data_loader")
    sampler = pairs.sampler(batch_size=2, rank=None, world_size=world, drop_last=True)
    loader = torch.utils.data.DataLoader(pairs, batch_sampler=sampler, collate_fn=collate)
    for rank in range(world):
        prepared = accelerate.prepare_data_loader(
            loader, num_processes=world, process_index=rank, put_on_device=False
        )
        _, expected = map_loader(pairs, 0, rank=rank, world_size=world, drop_last=True)
        sampler.resume(sampler.state_at(0))
        assert ids(prepared) == ids(expected)
