"""How fast `sparkle validate` is on the text of a theme, beside json + jsonschema.

    python benchmarks/validate.py [--samples 140000] [--json]

- Draws a theme as upstream's records look (csv, metadata, five files of JSON lines, some 10.7 KB a sample)
  with its manifest and provenance, and runs the shipped command on it with two workers. It has no tars and
  tables, which the command must say, and it must find nothing else.
- The peer is the pure Python that the schema invites: `json.loads` and `jsonschema` on grounding round 2,
  one process, some of the lines. Ours is `LinesJob` on the same file, also one process, with every check.

JSON keys: `seconds_140k` (wall), `cpu_seconds_140k`, `rss_mb` (most memory of all processes together), `mb`
(of text), `to_jsonschema` (peer's seconds a line / ours), `seconds_1k`, `seconds_280k`, `cpu_seconds_1k`,
`cpu_seconds_280k`, `linear` (CPU seconds a sample from 140,000 to 280,000 over those from 1,000 to 140,000).
`--samples` scales 140,000; the others scale with it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema

from sparkle.builders.checks.text import LinesJob
from sparkle.builders.release.formats import csv_line
from sparkle.builders.release.manifest import FileEntry, dump_manifest
from sparkle.schemas import layout
from sparkle.schemas.canonical import dump_document, plain, sha256_file
from sparkle.schemas.ids import format_id
from sparkle.schemas.rules import Thresholds
from sparkle.schemas.validate import load_schema

THEME = "location"
SAMPLES = 140_000
WORKERS = 2
STEP = 3  # real ids are sparse
PEER_LINES = 150
TEXT = (
    "The subject remains sharp while the background shifts to a rooftop overlooking a modern city skyline at "
    "dusk. Warm lights, drifting wisps of evening fog and faint reflections on a glass railing give it "
    "depth; the hands look slightly distorted, but natural: nothing else moves. "
)
LABELS = ("woman in brown hat", "clasped hands with ring", "striped shirt under coat", "wide-brimmed hat")
KEYWORDS = ("urban: rooftop overlooking skyline", "coast: windy pier", "landmark: ancient stone ruins")


@dataclass(frozen=True)
class Timing:
    """One run of the command."""

    seconds: float
    cpu_seconds: float
    rss_mb: float


class Draw:
    """Draws records; texts are slices of one long text, so that drawing is quick."""

    def __init__(self) -> None:
        self.random = random.Random(0)  # noqa: S311 - nothing secret
        words = TEXT.split()
        self.text = " ".join(self.random.choice(words) for _ in range(50_000))

    def words(self, least: int, most: int) -> str:
        """Some text of so many characters."""
        start = self.random.randrange(len(self.text) - most)
        return self.text[start : start + self.random.randint(least, most)].strip().capitalize() + "."

    def boxes(self, labels: list[str], empty: float) -> list[dict[str, Any]]:
        """A box a label, some of them empty."""
        found = []
        for label in labels:
            x, y = self.random.randrange(600), self.random.randrange(600)
            box = [x, y, x + 1 + self.random.randrange(399), y + 1 + self.random.randrange(399)]
            found.append({"bbox_2d": [] if self.random.random() < empty else box, "label": label})
        return found

    def score(self) -> float:
        """A score that passes."""
        return round(8.5 + self.random.random() * 1.4, 1)

    def sample(self, sample_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the JSON line of each file."""
        head = {"id": sample_id, "prompt": self.words(151, 466)}  # lengths of upstream's prompts
        metadata = {
            "edit_type": THEME,
            "chosen_keyword": self.random.choice(KEYWORDS),
            "original_scene": self.words(80, 160),
        }
        yield layout.metadata_jsonl(THEME), {**head, "metadata": metadata}
        for step in ("edit_score", "remove_score"):
            names = ("prompt_following", "consistency", "perceptual_quality")
            score = {name: self.score() for name in names}
            least = min(score["prompt_following"], score["consistency"])
            score["overall"] = math.sqrt(least * score["perceptual_quality"])
            reasons = {f"{name}_reasoning": self.words(200, 400) for name in ("SC", "PQ")}
            yield layout.record_file(THEME, step), {**head, "editscore": {**score, **reasons}}
        labels = list(LABELS[: self.random.randint(3, 4)])
        grounding = {**head, "edit_type": THEME, "round1_labels": labels}
        grounding["round1_objects"] = self.boxes(labels, 0)
        yield layout.record_file(THEME, "ground1"), grounding
        anchors = self.random.choice((9, 10, 11))  # of 69, 73 and 81 frames
        frames = [self.boxes(labels, 0.05) for _ in range(anchors)]
        yield layout.record_file(THEME, "ground2"), {**grounding, "frame_objects": frames}
        scores = []
        for _ in range(4):
            frame: dict[str, Any] = {"SC_score": self.score(), "PQ_score": self.score()}
            frame["O_score"] = math.sqrt(frame["SC_score"] * frame["PQ_score"])
            for name in ("SC", "PQ"):
                frame[f"{name}_score_reasoning"] = self.words(120, 260)
            for name in ("SC", "PQ"):
                answer = {"score": [9.0, 9.0], "reasoning": self.words(40, 80)}
                frame[f"{name}_raw_output"] = json.dumps(answer)
            scores.append(frame)
        video = {"frame_indices": [1, 26, 51, 76], "editscore": scores}
        yield layout.record_file(THEME, "video_score"), {**head, **video}


def draw_theme(folder: Path, samples: int) -> int:
    """Write the text of a theme, its manifest and provenance; returns the bytes of text."""
    draw = Draw()
    names = [layout.prompts_csv(THEME), layout.metadata_jsonl(THEME)]
    names += [layout.record_file(THEME, step) for step in layout.RECORD_FILES]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    files = {name: (folder / name).open("w", encoding="utf-8", newline="\n") for name in names}
    files[names[0]].write("prompt,src_video,tgt_video,task\n")
    for index in range(samples):
        sample_id = format_id(THEME, index * STEP)
        for name, line in draw.sample(sample_id):
            files[name].write(json.dumps(line, ensure_ascii=False) + "\n")
        paths = [kind.path(sample_id) for kind in (layout.SOURCE_VIDEO, layout.EDITED_VIDEO)]
        files[names[0]].write(csv_line([line["prompt"], *paths, sample_id]))
    for file in files.values():
        file.close()
    (folder / layout.CARD).write_text("A benchmark.\n", "utf-8")
    (folder / layout.PROVENANCE).write_bytes(dump_document(_provenance(samples)))
    (folder / layout.CROISSANT).write_bytes(dump_document({"distribution": []}))
    entries = [
        FileEntry(name, (folder / name).stat().st_size, sha256_file(folder / name))
        for name in (*names, layout.CARD, layout.CROISSANT, layout.PROVENANCE)
    ]
    (folder / layout.MANIFEST).write_bytes(dump_manifest(entries))
    return sum((folder / name).stat().st_size for name in names)


def _provenance(samples: int) -> dict[str, Any]:
    config = {"name": "benchmark", "thresholds": plain(Thresholds())}
    run: dict[str, Any] = {"config": config, "packages": {}, "models": [], "funnel": []}
    return {
        "format": "sparkle-provenance",
        "version": 1,
        "code": {"name": "sparkle-dataset", "version": "0"},
        "options": {"max_shard_size": 5_000_000_000, "preview": 0},
        "packages": {},
        "next_parts": {},
        "runs": [{**run, "candidates": samples, "kept": samples}],
    }


def validate(folder: Path) -> Timing:
    """Run the shipped command; stops when it finds anything but that tars and tables are not there."""
    words = ["validate", str(folder), "--json", "--workers", str(WORKERS)]
    start, before = time.perf_counter(), os.times()
    with subprocess.Popen([sys.executable, "-m", "sparkle", *words], stdout=subprocess.PIPE) as process:
        peak = _Peak(process.pid)
        output, _ = process.communicate()
        peak.stop()
    seconds, after = time.perf_counter() - start, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    answer = json.loads(output)
    found = [finding["problem"] for finding in answer.get("findings", ())]
    if sorted(found) != [*["the file is missing"] * 2, *["the tar is missing"] * len(layout.KINDS)]:
        raise SystemExit(f"The command did not find what is there and nothing else: {answer}")
    return Timing(seconds, cpu, peak.most / 1e6)


class _Peak:
    """The most memory that a process and those below it held at a time, by /proc."""

    def __init__(self, pid: int) -> None:
        self.most = 0
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.05):
            self.most = max(self.most, sum(map(_rss, _family(self._pid))))


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from _family(int(child))


def _rss(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def to_jsonschema(folder: Path) -> float:
    """How many times as long json + jsonschema take for a line of grounding round 2."""
    name = layout.record_file(THEME, "ground2")
    path = folder / name
    job = LinesJob(path, THEME, "ground2", (Thresholds(),))
    start = time.process_time()
    lines = job()
    ours = (time.process_time() - start) / lines.count
    validator = jsonschema.Draft202012Validator(load_schema("grounding_r2"))
    with path.open("rb") as file:
        peer = [file.readline() for _ in range(min(PEER_LINES, lines.count))]
    start = time.process_time()
    good = sum(validator.is_valid(json.loads(line)) for line in peer)
    theirs = (time.process_time() - start) / len(peer)
    if good != len(peer) or lines.findings:
        raise SystemExit("The two disagree.")
    return theirs / ours


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=SAMPLES, help="Samples of the theme.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    options = parser.parse_args()
    figures: dict[str, float] = {}
    for name, samples in (
        ("1k", options.samples // 140),
        ("140k", options.samples),
        ("280k", 2 * options.samples),
    ):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            size = draw_theme(folder, samples)
            timing = validate(folder)
            figures[f"seconds_{name}"] = round(timing.seconds, 2)
            figures[f"cpu_seconds_{name}"] = round(timing.cpu_seconds, 2)
            if samples == options.samples:
                figures["rss_mb"] = round(timing.rss_mb)
                figures["mb"] = round(size / 1e6)
                figures["to_jsonschema"] = round(to_jsonschema(folder), 1)
    small, middle, large = (figures[f"cpu_seconds_{name}"] for name in ("1k", "140k", "280k"))
    figures["linear"] = round((large - middle) / 140 / ((middle - small) / 139), 3)
    print(
        json.dumps(figures) if options.json else "  ".join(f"{key} {value}" for key, value in figures.items())
    )


if __name__ == "__main__":
    main()
