"""What a step said, held as places of lines, beside a dictionary of records: through changes and restarts."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkle._files import append_lines, write_jsonl
from sparkle.generation.run.lines import Lines, Numbers
from sparkle.generation.run.outcomes import StepOutcomes
from sparkle.schemas import records as r
from sparkle.schemas.canonical import sha256_bytes
from sparkle.schemas.errors import RecordError
from sparkle.schemas.funnel import Fate, make_funnel
from sparkle.schemas.ids import format_id
from sparkle.schemas.stages import STEP_NAMES

IDS = [format_id(theme, number) for theme in ("season", "location") for number in (0, 7, 1_000_000)]
OUTCOMES = {
    "kept": {"status": r.KEPT, "record": {"short": 0.1, "long": 1e-7}},
    "rejected": {"status": r.REJECTED, "record": {"short": 1.0}, "reason": "moving camera: 1.0 > 0.7"},
    "failed": {"status": r.FAILED, "error": {"problem": "é ends early", "kind": "SampleError"}},
}
VERDICTS = {
    "kept": Fate(r.KEPT, ""),
    "rejected": Fate(r.REJECTED, "moving camera"),
    "failed": Fate(r.FAILED, "é ends early"),
}


def fingerprint(mark: int) -> str:
    return sha256_bytes(bytes([mark]))


def outcome(sample_id: str, what: str, mark: int) -> r.AnyOutcome:
    return r.AnyOutcome(id=sample_id, fingerprint=fingerprint(mark), artifacts={}, **OUTCOMES[what])


outcomes = st.builds(outcome, st.sampled_from(IDS), st.sampled_from(sorted(OUTCOMES)), st.integers(0, 9))
changes = st.one_of(
    st.lists(outcomes, min_size=1, max_size=4),
    st.frozensets(st.sampled_from(IDS), max_size=3),
    st.sampled_from(["sort", "restart"]),
)


@given(st.lists(changes, max_size=12))
def test_outcomes_are_what_a_dictionary_of_them_is(tmp_path_factory: pytest.TempPathFactory, todo) -> None:
    path = tmp_path_factory.mktemp("run") / "outcomes" / "flow.jsonl"
    numbers = Numbers()
    found, wanted = StepOutcomes(path, numbers), dict[str, r.AnyOutcome]()
    for change in todo:
        if isinstance(change, list):
            found.append(change)
            wanted.update((each.id, each) for each in change)
        elif isinstance(change, frozenset):
            assert found.forget(change) == len(change & wanted.keys())
            wanted = {name: each for name, each in wanted.items() if name not in change}
            found.sort(numbers.in_order())
        elif change == "sort":
            found.sort(numbers.in_order())
        else:
            found.close()
            numbers = Numbers()
            found = StepOutcomes(path, numbers)
            found.load()
        assert len(found) == len(wanted)
        for name in IDS:
            assert (name in found) == (name in wanted)
            assert found.get(name) == wanted.get(name)
            marks = [mark for mark in range(10) if found.made_from(name, fingerprint(mark))]
            assert [fingerprint(mark) for mark in marks] == [
                each.fingerprint for each in wanted.values() if each.id == name
            ]
            if name in wanted:
                what = next(key for key, parts in OUTCOMES.items() if parts["status"] == wanted[name].status)
                assert found.verdict(name) == VERDICTS[what]
    found.sort(numbers.in_order())
    found.close()
    if path.exists():
        write_jsonl(path.with_name("wanted"), (wanted[name] for name in sorted(wanted)))
        assert path.read_bytes() == path.with_name("wanted").read_bytes()
    else:
        assert not wanted


def test_a_file_in_order_is_left_alone(tmp_path: Path) -> None:
    path, numbers = tmp_path / "flow.jsonl", Numbers()
    write_jsonl(path, [outcome(name, "kept", 1) for name in sorted(IDS)])
    with closing(StepOutcomes(path, numbers)) as found:
        found.load()
        before = path.stat()
        found.sort(numbers.in_order())
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_lines_that_mention_a_word_are_found(tmp_path: Path) -> None:
    path = tmp_path / "flow.jsonl"
    wanted = outcome(IDS[1], "failed", 1)
    write_jsonl(path, [outcome(IDS[0], "kept", 1), wanted])
    assert list(StepOutcomes(path, Numbers()).mentioning("SampleError")) == [wanted]
    assert list(StepOutcomes(tmp_path / "none.jsonl", Numbers()).mentioning("x")) == []


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "flow.jsonl"
    write_jsonl(path, [outcome(IDS[0], "kept", 1), {"id": IDS[1]}])
    with pytest.raises(RecordError) as caught:
        StepOutcomes(path, Numbers()).load()
    assert f"{path}:2" in str(caught.value.where)


def test_lines_are_read_by_key_as_the_file_grows(tmp_path: Path) -> None:
    path = tmp_path / "sources.jsonl"
    records = [r.SourceRecord(f"{number:064x}", f"clip é {number}.mp4", number) for number in range(5)]
    append_lines(path, records[:2])
    with path.open("ab") as file:
        file.write(b'{"sha256": "torn')
    with closing(Lines(path, r.SourceRecord, lambda record: record.sha256)) as found:
        assert list(found.values()) == records[:2]
        found.append(records[2:4])
        found.append([])
        found.append(records[4:])
        assert list(found) == [record.sha256 for record in records]
        assert [found[record.sha256] for record in records] == records == list(found.records())
        assert records[0].sha256 in found
        assert "f" * 64 not in found
        with pytest.raises(KeyError):
            found["f" * 64]


def test_a_funnel_counts_what_becomes_of_samples() -> None:
    said = {("normalise", "a"): VERDICTS["rejected"], ("normalise", "b"): VERDICTS["failed"]}
    funnel = make_funnel(3, ["a", "b", "c"], lambda step, name: said.get((step, name), VERDICTS["kept"]))
    first, second, *_ = funnel["steps"]
    assert first == {
        "step": "normalise",
        "in": 3,
        "kept": 1,
        "rejected": {"moving camera": 1},
        "failed": {"é ends early": 1},
    }
    assert (second["in"], second["rejected"], len(funnel["steps"])) == (1, {}, len(STEP_NAMES))
    assert (funnel["candidates"], funnel["kept"]) == (3, 1)


def test_a_key_that_somebody_else_has_numbered_is_no_record(tmp_path):
    lines = Lines(tmp_path / "c.jsonl", r.Candidate, lambda candidate: candidate.id)
    lines.append([r.Candidate(IDS[0], "0" * 64, "season")])
    lines.numbers.give(IDS[1])
    assert list(lines) == [IDS[0]]
    assert IDS[1] not in lines
    with pytest.raises(KeyError):
        lines[IDS[1]]
    lines.append([r.Candidate(IDS[2], "0" * 64, "season")])
    assert list(lines) == [IDS[0], IDS[2]]
    assert lines[IDS[2]].id == IDS[2]
    assert len(lines) == 2
    lines.close()
