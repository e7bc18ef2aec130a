"""Datasets take turns for whole epochs, and a training goes on exactly, however often it is killed."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkle.builders.training.turns import TurnRows, Turns, read_turn_state
from sparkle.schemas.errors import ConfigError

NAMES = ("images", "videos", "reference videos")


def rows(**counts):
    return {
        name.replace("_", " "): TurnRows(count, f"{name}-digest", f"{name}.csv")
        for name, count in counts.items()
    }


class Processes:
    """All processes of a training, from its beginning or from a state on."""

    def __init__(self, datasets, epochs, world_size, state=None):
        self.turns = [
            Turns(datasets, epochs, rank=rank, world_size=world_size, state=state)
            for rank in range(world_size)
        ]
        self.names = [list(turns) for turns in self.turns]
        self.draws = [{name: self.endless(turns.samplers[name]) for name in datasets} for turns in self.turns]
        self.steps = 0

    @staticmethod
    def endless(sampler):
        while True:
            for (draw,) in sampler:
                yield int(draw)

    def step(self):
        """What all processes train on in one step, in the order of the samples."""
        turns = {names[self.steps] for names in self.names}
        (name,) = turns  # all take the same turn
        self.steps += 1
        return [(name, next(draws[name])) for draws in self.draws]

    def run(self, steps):
        return [sample for _ in range(steps) for sample in self.step()]

    def left(self):
        (left,) = {len(names) for names in self.names}
        return left - self.steps

    def state(self):
        """The state, by way of a checkpoint's text."""
        (text,) = {msgspec.json.encode(turns.state_after(self.steps)).decode() for turns in self.turns}
        return read_turn_state(text, "a checkpoint")


counts = st.dictionaries(st.sampled_from(NAMES), st.integers(3, 12), min_size=1)


@given(counts, st.integers(1, 3), st.integers(1, 3), st.lists(st.integers(0, 9), max_size=3))
def test_killed_and_resumed_it_sees_what_an_undisturbed_one_sees(chosen, epochs, world_size, kills):
    datasets = {name: TurnRows(chosen[name], "digest", "rows.csv") for name in NAMES if name in chosen}
    whole = Processes(datasets, epochs, world_size)
    assert whole.left() == epochs * len(datasets) * min(count // world_size for count in chosen.values())
    wanted = whole.run(whole.left())
    now, seen = Processes(datasets, epochs, world_size), []
    for steps in kills:
        seen += now.run(min(steps, now.left()))
        now = Processes(datasets, epochs, world_size, now.state())
    assert now.turns[0].done * world_size == len(seen)
    assert seen + now.run(now.left()) == wanted
    assert now.state().steps == len(wanted) // world_size


@given(st.integers(4, 20), st.integers(1, 4), st.integers(1, 4), st.integers(0, 30), st.integers(1, 3))
def test_other_processes_take_up_the_same_order(count, before, after, kill, epochs):
    datasets = rows(videos=count)
    wanted = [draw for _, draw in Processes(datasets, epochs, 1).run(count * epochs)]
    first = Processes(datasets, epochs, before)
    seen = first.run(min(kill, first.left()))
    state = first.state()
    second = Processes(datasets, epochs, after, state)
    rest = [draw for _, draw in second.run(second.left())]
    place = state.datasets["videos"]
    start = place.epoch * count + place.position
    if before == 1:
        assert [draw for _, draw in seen] == wanted[:start]
    if after == 1:
        assert rest == wanted[start:]
    # Whatever does not suffice for a step at an epoch's end is left out of it, and nothing comes twice.
    this_epoch = rest[: (count - place.position) // after * after]
    assert this_epoch == wanted[start : start + len(this_epoch)]


def test_a_round_that_a_kill_interrupts_is_finished():
    datasets = rows(images=3, videos=5)
    begun = Processes(datasets, 1, 1)
    begun.run(5)  # the images are through, their third video is not
    assert begun.state().turn == "videos"
    again = Processes(datasets, 1, 1, begun.state())
    assert [name for name, _ in again.run(again.left())] == ["videos"]


def test_more_epochs_go_on_where_fewer_ended():
    datasets = rows(images=3, videos=5)
    short = Processes(datasets, 1, 1)
    seen = short.run(short.left())
    assert Processes(datasets, 1, 1, short.state()).left() == 0
    longer = Processes(datasets, 3, 1, short.state())
    whole = Processes(datasets, 3, 1)
    assert seen + longer.run(longer.left()) == whole.run(whole.left())


@pytest.mark.parametrize(
    ("now", "problem"),
    [
        (rows(videos=5), "the checkpoint is of other datasets"),
        (rows(videos=5, images=3), "the checkpoint is of other datasets"),
        (rows(images=3, videos=6), "the checkpoint is of other videos"),
        (
            rows(images=3) | {"videos": TurnRows(5, "changed", "changed.csv")},
            "the checkpoint is of other videos",
        ),
    ],
)
def test_the_state_of_other_datasets_is_refused(now, problem):
    state = Turns(rows(images=3, videos=5), 1).state_after(1)
    with pytest.raises(ConfigError, match=problem) as caught:
        Turns(now, 1, state=state, where="step-1.safetensors")
    assert caught.value.where == "step-1.safetensors"
    assert "--output_path" in caught.value.fix


def test_fewer_rows_than_processes_are_refused():
    with pytest.raises(ConfigError, match="the images do not suffice for a step") as caught:
        Turns(rows(images=3, videos=9), 1, rank=1, world_size=4)
    assert (caught.value.got, caught.value.where) == ("3 rows, 4 processes", "images.csv")


@pytest.mark.parametrize(
    "change",
    [
        {"steps": -1},
        {"steps": 2**64},
        {"turn": "images"},
        {"datasets": {}},
        {"more": 1},
        {"datasets": {"videos": {"sha256": "", "seed": 0, "rows": 5, "epoch": 0, "position": "0"}}},
    ],
)
def test_a_state_that_is_none_is_refused(change):
    state = json.loads(msgspec.json.encode(Turns(rows(videos=5), 1).state_after(2)))
    assert read_turn_state(json.dumps(state), "here").steps == 2
    for text in (json.dumps(state | change), "", "[" * 10_000, json.dumps(state)[:-1]):
        with pytest.raises(ConfigError, match="the checkpoint") as caught:
            read_turn_state(text, "here")
        assert caught.value.where == "here"
