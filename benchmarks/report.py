"""What a report's intervals are worth, how long it takes, and whether it gives the same bytes twice.

    python benchmarks/report.py [--simulations 2000] [--viescore FOLDER] [--json]

JSON keys: `coverage_icc1` and `coverage_icc3` (how often a nominal 95 % interval of the macro holds the
truth, with 458 samples in 97 scenes of four themes and an intraclass correlation of .1 and .3),
`coverage_pairs` (of the difference of two models, at .3), `naive_icc3` (if samples were drawn and not
scenes), `seconds` (ten models x 458 samples x 6 dimensions, read, compared and written, the best of three),
`identical` (whether the three reports have the same bytes).

With `--viescore`, a folder with VIEScore's recorded verdicts on image edits (`viescore_tie_judges.csv`,
`viescore_tie_humans.csv`): means of the human raters, and of each judge its correlation with them. These are
real verdicts, of another task; they test the code.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sparkle.builders.bench.pages import write_report
from sparkle.builders.bench.report import make_report
from sparkle.builders.bench.resampling import Scenes, interval
from sparkle.builders.bench.verdicts import FORMAT, VERSION, write_verdicts
from sparkle.schemas.rubric import SPARKLE_6, Dimension, Rubric
from sparkle.schemas.verdicts import BenchIdentity, JudgeIdentity, Verdict, VerdictsHead

THEMES = ("location", "season", "style", "time")
SCENES, SAMPLES = (
    (27, 24, 23, 23),
    458,
)  # upstream's bench: 97 scenes, 108 and 120 samples in the first themes
TRUTH, SPREAD = 3.0, 1.15  # of overall scores
MODELS = 10
RESAMPLES = 2000  # of a simulation; a report takes 10,000

Floats = npt.NDArray[np.float64]


def scenes_of_samples(random: np.random.Generator) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The theme of each scene, and the scene of each sample."""
    theme = np.repeat(np.arange(len(THEMES)), SCENES)
    others = random.integers(0, len(theme), SAMPLES - len(theme))
    scene = np.sort(np.concatenate([np.arange(len(theme)), others]))
    return theme, scene


def draw(random: np.random.Generator, scene: npt.NDArray[np.int64], icc: float, scenes: int) -> Floats:
    """Scores around `TRUTH` of which scenes share a part."""
    shared = random.normal(0, SPREAD * icc**0.5, scenes)
    own = random.normal(0, SPREAD * (1 - icc) ** 0.5, len(scene))
    scores: Floats = TRUTH + shared[scene] + own
    return scores


def coverage(icc: float, simulations: int, *, pairs: bool = False, naive: bool = False) -> float:
    """How often the interval of a macro holds the truth."""
    held = 0
    for seed in range(simulations):
        random = np.random.default_rng([seed, round(100 * icc)])
        theme, scene = scenes_of_samples(random)
        values, truth = draw(random, scene, icc, len(theme)), TRUTH
        if pairs:
            values, truth = values - draw(random, scene, icc, len(theme)), 0.0
        if naive:
            theme, scene = theme[scene], np.arange(len(scene))
        scenes = Scenes(theme, scene, seed, RESAMPLES)
        drawn = scenes.theme_means(*scenes.sums(values[:, None]), scenes.draws)
        low, high = interval(drawn.mean(axis=1))
        held += bool(low[0] <= truth <= high[0])
    return held / simulations


def write_models(folder: Path) -> list[Path]:
    """Verdicts on ten models."""
    random = np.random.default_rng(0)
    theme, scene = scenes_of_samples(random)
    expected = {name: int((theme[scene] == at).sum()) for at, name in enumerate(THEMES)}
    paths = []
    for model in range(MODELS):
        head = VerdictsHead(
            format=FORMAT,
            version=VERSION,
            model=f"model {model}",
            bench=BenchIdentity("simulated", "0" * 64, expected),
            rubric=SPARKLE_6,
            judge=JudgeIdentity("simulated", "benchmark"),
        )
        overall = draw(random, scene, 0.3, len(theme)) + model / 10
        verdicts = []
        for sample, place in enumerate(scene):
            name = THEMES[theme[place]]
            noise = random.normal(0, 0.8, len(SPARKLE_6.dimensions))
            raw = tuple(int(score) for score in np.clip(np.rint(overall[sample] + noise), 1, 5))
            verdict = Verdict(
                id=f"Sparkle_{name}_{sample:06d}",
                theme=name,
                subtheme="simulated",
                scene=f"scene {place}",
                repeat=1,
                status="ok",
                raw=raw,
                scores=SPARKLE_6.cap(raw),
                prompt="Place the subject on a windy pier." * 6,
                answer="Brief reasoning: The edges are clean, the waves stand still." * 4,
            )
            verdicts.append(verdict)
        paths.append(folder / f"{model}.jsonl")
        write_verdicts(paths[-1], head, verdicts)
    return paths


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def time_report(folder: Path) -> tuple[float, bool]:
    """Seconds of the best of three reports, and whether all have the same bytes."""
    paths = write_models(folder)
    seconds, found = [], []
    for attempt in range(3):
        out = folder / f"report {attempt}"
        start = time.perf_counter()
        write_report(make_report(paths[::-1] if attempt else paths), out)
        seconds.append(time.perf_counter() - start)
        found.append(contents(out))
    return min(seconds), all(one == found[0] for one in found)


# --- VIEScore --------------------------------------------------------------------------------------

VIESCORE = Rubric("viescore", (Dimension("quality", "Overall", "Overall"),), 0, 1, whole=False, capped=False)


def viescore(folder: Path, work: Path) -> dict[str, Any]:
    """Figures of VIEScore's verdicts as a report gives them."""
    paths = [*_humans(folder, work), *_judges(folder, work)]
    document = make_report(paths).document
    tables = {table["judge"]["name"]: table for table in document["tables"]}
    means = {row["model"]: row["themes"]["edit"]["mean"]["overall"] for row in tables["humans"]["rows"]}
    figures: dict[str, Any] = {"humans": {name: round(mean, 3) for name, mean in means.items()}}
    for pair in document["judges"]:
        if "humans" not in pair["judges"]:
            continue
        (judge,) = {*pair["judges"]} - {"humans"}
        figures[judge] = {
            "valid": sum(row["n"] for row in tables[judge]["rows"]),
            "spearman": pair["dimensions"]["overall"]["spearman"],
            "kendall_of_systems": pair["systems"]["kendall"],
        }
    for pair in tables["gpt4o"]["pairs"]:
        if {pair["a"], pair["b"]} == {"MagicBrush", "InstructPix2Pix"}:
            figures["gpt4o_pair"] = pair
    return figures


def _head(model: str, judge: str, expected: int) -> VerdictsHead:
    return VerdictsHead(
        format=FORMAT,
        version=VERSION,
        model=model,
        bench=BenchIdentity("ImagenHub", "1" * 64, {"edit": expected}),
        rubric=VIESCORE,
        judge=JudgeIdentity(judge, "recorded"),
    )


def _write(folder: Path, judge: str, models: dict[str, list[Verdict]]) -> Iterator[Path]:
    for model, verdicts in models.items():
        path = folder / f"{judge}-{model}.jsonl"
        write_verdicts(path, _head(model, judge, len({verdict.id for verdict in verdicts})), verdicts)
        if any(verdict.status == "ok" for verdict in verdicts):
            yield path


def _verdict(sample: str, repeat: int, score: float | None) -> Verdict:
    place: dict[str, Any] = {"id": sample, "theme": "edit", "subtheme": "", "scene": "", "repeat": repeat}
    if score is None:
        return Verdict(status="failed", reason="not two scores from 0 to 10", **place)
    return Verdict(status="ok", raw=(score,), scores=(score,), **place)


def _humans(folder: Path, work: Path) -> Iterator[Path]:
    models: dict[str, list[Verdict]] = {}
    with (folder / "viescore_tie_humans.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            score = (float(row["SC"]) * float(row["PQ"])) ** 0.5
            models.setdefault(row["model"], []).append(_verdict(row["sample"], int(row["rater"]), score))
    yield from _write(work, "humans", models)


def _judges(folder: Path, work: Path) -> Iterator[Path]:
    judges: dict[str, dict[str, list[Verdict]]] = {}
    with (folder / "viescore_tie_judges.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            parts = [_least(row[name]) for name in ("SC", "PQ")]
            score = None if None in parts else float(np.prod([part or 0.0 for part in parts]) ** 0.5 / 10)
            name = row["judge"].removesuffix("_0shot")
            judges.setdefault(name, {}).setdefault(row["model"], []).append(_verdict(row["sample"], 1, score))
    for name, models in judges.items():
        yield from _write(work, name, models)


def _least(text: str) -> float | None:
    """The lower of the two scores of a recorded verdict; None where it has not two from 0 to 10."""
    try:
        value = json.loads(text) if text else None
    except json.JSONDecodeError:
        return None
    if not isinstance(value, list) or len(value) != 2:
        return None
    if any(type(one) not in (int, float) or not 0 <= one <= 10 for one in value):
        return None
    return float(min(value))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--simulations", type=int, default=2000, help="How many benches are simulated.")
    parser.add_argument("--viescore", type=Path, help="VIEScore's recorded verdicts.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seconds, identical = time_report(Path(folder))
        figures: dict[str, Any] = {
            "coverage_icc1": coverage(0.1, options.simulations),
            "coverage_icc3": coverage(0.3, options.simulations),
            "coverage_pairs": coverage(0.3, options.simulations, pairs=True),
            "naive_icc3": coverage(0.3, options.simulations, naive=True),
            "seconds": round(seconds, 2),
            "identical": identical,
        }
        if options.viescore:
            (Path(folder) / "viescore").mkdir()
            figures["viescore"] = viescore(options.viescore, Path(folder) / "viescore")
    print(
        json.dumps(figures) if options.json else "  ".join(f"{key} {value}" for key, value in figures.items())
    )


if __name__ == "__main__":
    main()
