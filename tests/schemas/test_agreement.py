"""Two readers of JSON agree on every line, and two validators on every value, whatever was done to it."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkle.schemas.canonical import dump_line
from sparkle.schemas.errors import RecordError
from sparkle.schemas.load import misfits
from sparkle.schemas.validate import check_line, findings_of, follows, load_schema, parse_strict

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
    "urban: rooftop\n",
    "Sparkle_location_000003\n",
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


@pytest.mark.parametrize("schema", SCHEMAS)
@given(st.integers(0, 2**32))
@settings(max_examples=20)
def test_the_compiled_validator_refuses_what_the_naming_one_names(schema: str, seed: int) -> None:
    random = Random(seed)  # noqa: S311 - nothing secret
    published = load_schema(schema)
    for _ in range(LINES):
        record = good_record(schema, random)
        assert follows(schema, record)
        for _ in range(random.choice((1, 2))):
            record = changed(record, random)
        wrong = misfits(published, record)
        assert follows(schema, record) == (not wrong), record
        assert not wrong or list(findings_of(schema, record))
        assert all(problem and len(pointer) < 400 for pointer, problem, _, _ in wrong)


@pytest.mark.parametrize("schema", SCHEMAS)
@given(st.integers(0, 2**32))
@settings(max_examples=40)
def test_what_is_read_at_once_is_what_the_strict_reader_reads(schema: str, seed: int) -> None:
    random = Random(seed)  # noqa: S311 - nothing secret
    for _ in range(LINES):
        record = changed(good_record(schema, random), random)
        line = written(record, random, random.choice((0, 0.02, 0.2))).encode()
        if random.random() < 0.3:
            line = damaged(line, random)
        try:
            # A space in front: such a line is never the one that would be written.
            strict = repr(parse_strict(b" " + line))
        except RecordError:
            strict = None
        try:
            found = repr(parse_strict(line))
        except RecordError:
            found = None
        assert found == strict


@pytest.mark.parametrize("schema", SCHEMAS)
@given(st.integers(0, 2**32))
@settings(max_examples=5)
def test_a_key_that_stands_twice_is_always_found(schema: str, seed: int) -> None:
    random = Random(seed)  # noqa: S311 - nothing secret
    record = good_record(schema, random)
    line = dump_line(record).decode()
    assert check_line(line.encode(), schema) == (record, [])
    for container, key in places(record):
        if isinstance(container, dict):
            pair = f"{json.dumps(key)}: {json.dumps(container[key], ensure_ascii=False)}"
            assert pair in line
            _, (finding,) = check_line(line.replace(pair, f"{pair}, {pair}", 1).encode(), schema)
            assert (finding.problem, finding.got) == ("a key stands twice", repr(key))
