"""What `typed_lines` calls fine has no findings, whatever was done to a line; what we write is fine."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkle.schemas.canonical import dump_line
from sparkle.schemas.lines import line_reader, typed
from sparkle.schemas.validate import MAX_LINE_BYTES, check_line

SCHEMAS = ("training_metadata", "image_score", "video_score", "grounding_r1", "grounding_r2")
THEME = "location"
WORDS = (
    "A room.",
    'say "hi"',
    "a\\",
    '\\"',
    '": "',
    "b : c",
    "é\n世",
    "😀",
    "\x00",
    "\x7f",
    "location",
    "{}",
)
NUMBERS = (-1, 0, 1.0, 1001, 2**70, 9.5, 10.5, float("nan"), 1e300)
VALUES = (None, True, *NUMBERS, "", "x", "a: b\n", [], {}, [1, 2, 3])
LINES = 25  # an example of hypothesis is a seed of so many lines: drawing each by itself is slow


def good_record(schema: str, random: Random) -> dict[str, Any]:
    """A record that follows its schema, keys in upstream's order."""
    sample_id = f"Sparkle_{THEME}_{random.randrange(2_000_000):06d}"
    head: dict[str, Any] = {"id": sample_id, "prompt": random.choice(WORDS)}
    if schema == "training_metadata":
        words = {"chosen_keyword": "urban: rooftop at dusk"} if random.random() < 0.5 else {}
        return {**head, "metadata": {"edit_type": THEME, **words, "original_scene": random.choice(WORDS)}}
    if schema == "image_score":
        names = ("prompt_following", "consistency", "perceptual_quality", "overall")
        reasons = {f"{name}_reasoning": random.choice(("", *WORDS)) for name in ("SC", "PQ")}
        return {**head, "editscore": {name: score(random) for name in names} | reasons}
    if schema == "video_score":
        frames = []
        for _ in range(4):
            frame: dict[str, Any] = {name: score(random) for name in ("SC_score", "PQ_score", "O_score")}
            names = ("SC_score_reasoning", "PQ_score_reasoning", "SC_raw_output", "PQ_raw_output")
            frames.append(frame | {name: random.choice(("", *WORDS)) for name in names})
        return {**head, "frame_indices": sorted(random.sample(range(99), 4)), "editscore": frames}
    labels = random.sample(WORDS, random.randint(1, 3))
    objects = [{"bbox_2d": box(random), "label": label} for label in labels]
    found = {**head, "edit_type": THEME, "round1_labels": labels, "round1_objects": objects}
    if schema == "grounding_r1":
        return found
    frames = [
        [{"bbox_2d": box(random) if random.random() < 0.8 else [], "label": label} for label in labels]
        for _ in range(random.randint(1, 3))
    ]
    return {**found, "frame_objects": frames}


def score(random: Random) -> float:
    return random.choice((0, 10, 7, 10 * random.random()))


def box(random: Random) -> list[int]:
    (left, right), (top, bottom) = (sorted(random.sample(range(1001), 2)) for _ in range(2))
    return [left, top, right, bottom]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) inside a value."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in ((value, key), *places(value[key]))]


def changed(record: dict[str, Any], random: Random) -> dict[str, Any]:
    """A record in which something was changed, left out, added or put elsewhere."""
    record = copy.deepcopy(record)
    container, key = random.choice(places(record))
    way = random.choice(("change", "remove", "add", "move", "number"))
    if way == "change":
        others = [item[place] for item, place in places(record)]
        container[key] = copy.deepcopy(random.choice((*VALUES, *others)))
    elif way == "number" and isinstance(container[key], int):
        container[key] = random.choice((float(container[key]), container[key] + 0.5, -container[key]))
    elif way == "remove":
        del container[key]
    elif way == "add" and isinstance(container, dict):
        name = random.choice(("id", "prompt", "label", "more", "chosen_keyword", "edit_type"))
        container[name] = copy.deepcopy(random.choice(VALUES))
    elif isinstance(container, dict):
        container[key] = container.pop(key)  # now the last
    else:
        container.insert(random.randint(0, len(container)), copy.deepcopy(container[key]))
    return record


def written(value: Any, random: Random, chance: float) -> str:
    """JSON text of a value; by chance with odd whitespace, odd escapes and keys that stand twice."""

    def odd() -> bool:
        return random.random() < chance

    def space() -> str:
        return random.choice((" ", "  ", "\t", "\r")) if odd() else ""

    def text(word: str) -> str:
        plain = json.dumps(word, ensure_ascii=odd())
        escaped = odd() and word[:1].isalpha() and word.isascii()
        return f'"\\u{ord(word[0]):04x}{plain[2:]}' if escaped else plain

    def write(item: Any) -> str:
        if isinstance(item, dict):
            pairs = list(item.items())
            if pairs and odd():
                pairs.insert(random.randint(0, len(pairs)), random.choice(pairs))
            inside = [f"{space()}{text(key)}{space()}:{space()}{write(one)}{space()}" for key, one in pairs]
            return "{" + ", ".join(inside) + "}"
        if isinstance(item, list):
            return "[" + ",".join(f"{space()}{write(one)}{space()}" for one in item) + "]"
        return text(item) if isinstance(item, str) else json.dumps(item)

    return write(value)


def damaged(line: bytes, random: Random) -> bytes:
    """A line in which a few bytes were put in, left out or replaced."""
    at = random.randint(0, len(line))
    marks = [bytes([mark]) for mark in b'"\\{},:0-\x00\xff']
    odd = (b"", *marks, b"\\ud800", b"\\udc00", b"\xef\xbb\xbf")
    return line[:at] + random.choice(odd) + line[at + random.randint(0, 2) :]


def hold(schema: str, line: bytes) -> bool:
    """Whether the line is fine; stops when that is not what `validate` says."""
    found = line_reader(schema, THEME)(line)
    if found is None:
        return False
    value, findings = check_line(line, schema)
    assert findings == []
    assert value["id"].startswith(f"Sparkle_{THEME}_")
    assert typed(schema, value) == found
    return True


@pytest.mark.parametrize("schema", SCHEMAS)
@given(st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_what_is_written_as_ours_is_is_fine(schema: str, seed: int) -> None:
    random = Random(seed)  # noqa: S311 - nothing secret
    assert all(hold(schema, dump_line(good_record(schema, random))) for _ in range(LINES))


@pytest.mark.parametrize("schema", SCHEMAS)
@given(st.integers(0, 2**32))
@settings(max_examples=120, deadline=None)
def test_what_is_fine_has_no_findings_however_it_was_changed(schema: str, seed: int) -> None:
    random = Random(seed)  # noqa: S311 - nothing secret
    for _ in range(LINES):
        record = good_record(schema, random)
        if random.random() < 0.5:
            record = changed(record, random)
        line = written(record, random, random.choice((0, 0.02, 0.2))).encode()
        hold(schema, damaged(line, random) if random.random() < 0.3 else line)


@pytest.mark.parametrize("schema", SCHEMAS)
@given(st.integers(0, 2**32))
@settings(max_examples=5, deadline=None)
def test_a_key_that_stands_twice_is_never_fine(schema: str, seed: int) -> None:
    random = Random(seed)  # noqa: S311 - nothing secret
    record = good_record(schema, random)
    line = dump_line(record).decode()
    read = line_reader(schema, THEME)
    assert read(line.encode()) is not None
    for container, key in places(record):
        if isinstance(container, dict):
            pair = f"{json.dumps(key)}: {json.dumps(container[key], ensure_ascii=False)}"
            assert pair in line
            assert read(line.replace(pair, f"{pair},{pair}", 1).encode()) is None


@pytest.mark.parametrize(
    "line",
    [
        b'{"id": "Sparkle_time_000003", "prompt": "p"',
        b'{"id": "Sparkle_location_000003\\n", "prompt": "p"',
        b'{"id": "Sparkle_location_0000003", "prompt": "p"',
        b'{"id": "Sparkle_location_000003", "prompt": ""',
    ],
    ids=["another theme", "a line end in the id", "a zero too many", "no prompt"],
)
def test_what_is_not_fine(line: bytes) -> None:
    rest = b', "metadata": {"edit_type": "location", "original_scene": "A room."}}'
    assert line_reader("training_metadata", THEME)(line + rest) is None


def test_a_line_that_is_too_long_is_not_fine() -> None:
    line = b'{"id": "Sparkle_location_000003", "prompt": "p", "metadata": '
    line += b'{"edit_type": "location", "original_scene": "A room."}}'
    read = line_reader("training_metadata", THEME)
    assert read(line) is not None
    assert read(line.ljust(MAX_LINE_BYTES + 1)) is None


@pytest.mark.parametrize(("edit_type", "fine"), [("openve3m_background_change", True), ("openve3m", False)])
def test_openve3m_is_fine_as_upstream_writes_it(edit_type: str, fine: bool) -> None:
    metadata = {"edit_type": edit_type, "original_scene": "A room."}
    line = dump_line({"id": "Sparkle_openve3m_000006", "prompt": "p", "metadata": metadata})
    assert (line_reader("training_metadata", "openve3m")(line) is not None) is fine
    assert check_line(line, "training_metadata")[1] == []
