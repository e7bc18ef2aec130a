from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from sparkle.builders.building.replay import core_set, replay
from sparkle.builders.building.run import read_run
from sparkle.builders.release.sample import Sample
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import THEMES, format_id
from sparkle.schemas.records import SceneMetadata

Group = tuple[str, str, str]
GROUPS = [
    (theme, subtheme, scene)
    for theme in ("location", "season")
    for subtheme in ("first", "second", "third")
    for scene in ("a", "b")
]


@pytest.fixture(scope="module")
def any_sample(shared_run: Path) -> Sample:
    return replay(read_run(shared_run)).samples[0]


def make(any_sample: Sample, groups: list[Group], scores: list[float]) -> list[Sample]:
    made = []
    for index, ((theme, subtheme, scene), score) in enumerate(zip(groups, scores, strict=True)):
        metadata = SceneMetadata(
            edit_type=theme, original_scene="A wall.", chosen_keyword=f"{subtheme}: {scene}"
        )
        sample_id = format_id(theme, index)
        made.append(
            replace(
                any_sample,
                id=sample_id,
                candidate=structs.replace(any_sample.candidate, id=sample_id, theme=theme),
                compose=structs.replace(any_sample.compose, metadata=metadata),
                scores={"edited_frame0": 9.0, "foreground_removed": 9.0, "edited_video": score},
            )
        )
    return sorted(made, key=lambda sample: sample.id)


def group(sample: Sample) -> Group:
    return sample.theme, str(sample.subtheme), str(sample.scene)


samples_and_size = st.lists(
    st.tuples(st.sampled_from(GROUPS), st.integers(0, 40).map(lambda value: value / 4)),
    min_size=1,
    max_size=60,
).flatmap(lambda rows: st.tuples(st.just(rows), st.integers(1, len(rows))))


@given(drawn=samples_and_size)
def test_a_core_set_is_balanced_best_first_and_grows(
    any_sample: Sample, drawn: tuple[list[tuple[Group, float]], int]
) -> None:
    rows, size = drawn
    samples = make(any_sample, [group for group, _ in rows], [score for _, score in rows])
    core = core_set(samples, size)
    assert len(core) == size
    assert [sample.id for sample in core] == sorted(sample.id for sample in core)

    assert core_set(samples[::-1], size) == core  # the order of samples does not matter
    smaller = {sample.id for sample in core_set(samples, max(1, size - 1))}
    assert smaller <= {sample.id for sample in core}

    taken, there = Counter(map(group, core)), Counter(map(group, samples))
    themes, all_themes = Counter(sample.theme for sample in core), Counter(sample.theme for sample in samples)
    for one in all_themes:  # no theme that has more to give has fewer than another, but for one
        for other in all_themes:
            assert themes[one] >= themes[other] - 1 or themes[one] == all_themes[one]
    for one in there:  # nor a scene of a subtheme
        for other in there:
            if one[:2] == other[:2]:
                assert taken[one] >= taken[other] - 1 or taken[one] == there[one]

    left = [sample for sample in samples if sample not in core]
    for sample in left:
        same = [found for found in core if group(found) == group(sample)]
        assert all(found.scores["edited_video"] >= sample.scores["edited_video"] for found in same)


def test_themes_take_turns_in_their_order(any_sample: Sample) -> None:
    groups = [(theme, "only", "one") for theme in THEMES[:4] for _ in range(3)]
    samples = make(any_sample, groups, [9.0] * len(groups))
    assert [sample.theme for sample in core_set(samples, 2)] == ["location", "season"]
    assert Counter(sample.theme for sample in core_set(samples, 6)) == {
        "location": 2, "season": 2, "time": 1, "style": 1,
    }  # fmt: skip


def test_free_prompts_are_one_scene(any_sample: Sample) -> None:
    metadata = SceneMetadata(edit_type="openve3m_background_change", original_scene="A wall.")
    samples = [
        replace(sample, compose=structs.replace(sample.compose, metadata=metadata))
        for sample in make(any_sample, [("openve3m", "x", "y")] * 3, [8.0, 9.0, 8.5])
    ]
    assert [sample.scores["edited_video"] for sample in core_set(samples, 2)] == [9.0, 8.5]


def test_more_than_there_are_is_refused(any_sample: Sample) -> None:
    samples = make(any_sample, [GROUPS[0]], [9.0])
    with pytest.raises(ReleaseError, match="a core set of") as caught:
        core_set(samples, 2)
    assert (caught.value.got, caught.value.wanted) == ("1", "2")
