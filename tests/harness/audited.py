"""A small bench with masks and a good model's edits: a subject that moves before backgrounds that do."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from harness.judged import head
from sparkle.builders.bench.audited import BARS, Audit, Check, DamageSeen, Fitness, JudgeAudit, Response
from sparkle.builders.bench.controls import UNTOUCHED, bench_of, control_names, edit_place, results_of
from sparkle.builders.bench.folder import BenchItem, read_bench
from sparkle.builders.bench.verdicts import write_verdicts
from sparkle.media.decode import decode
from sparkle.media.encode import encode
from sparkle.media.mask import save_mask
from sparkle.schemas import layout
from sparkle.schemas.canonical import dump_line
from sparkle.schemas.rubric import SPARKLE_6
from sparkle.schemas.verdicts import Verdict

WIDTH, HEIGHT, FRAMES = 96, 64, 17
SUBJECT = (250, 30, 220)
SCENES = {
    ("location", "coast"): ("pier", "beach"),
    ("location", "city"): ("street", "rooftop"),
    ("style", "paint"): ("oil", "ink"),
}
PLACES = [
    (f"Sparkle_{theme}_{number:06d}", theme, subtheme, scene)
    for number, (theme, subtheme, scene) in enumerate(
        (theme, subtheme, scene) for (theme, subtheme), scenes in SCENES.items() for scene in scenes
    )
]


def write_bench(folder: Path, *, masks: bool = True) -> Path:
    """A bench of a sample per scene."""
    for theme in {place[1] for place in PLACES}:
        rows, lines = [",".join(layout.BENCH_CSV_COLUMNS)], []
        for number, (sample_id, of, subtheme, scene) in enumerate(PLACES):
            if of != theme:
                continue
            prompt = f"Place the subject on a {scene}."
            rows.append(f"{theme},{prompt},{layout.bench_source(theme, sample_id)}")
            metadata = {
                "original_scene": "A room.",
                "edit_type": theme,
                "chosen_keyword": f"{subtheme}: {scene}",
            }
            lines.append(dump_line({"id": sample_id, "prompt": prompt, "metadata": metadata}))
            source = folder / layout.bench_source(theme, sample_id)
            source.parent.mkdir(parents=True, exist_ok=True)
            encode(list(_clip(number, still=True)), source)
            if masks:
                path = folder / layout.bench_mask(theme, sample_id)
                path.parent.mkdir(parents=True, exist_ok=True)
                save_mask(path, np.stack([_subject(number, now) for now in range(FRAMES)]))
        (folder / layout.bench_csv(theme)).write_text("\n".join(rows) + "\n")
        (folder / layout.bench_metadata(theme)).write_bytes(b"".join(lines))
    return folder


def write_edits(folder: Path) -> Path:
    """A good edit of every sample."""
    for number, (sample_id, theme, subtheme, scene) in enumerate(PLACES):
        path = folder / layout.bench_edited(theme, subtheme, scene, sample_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        encode(list(_clip(number, still=False)), path)
    return folder


def _subject(number: int, now: int) -> np.ndarray:
    """A disc that crosses the frame, up and down."""
    rows, columns = np.indices((HEIGHT, WIDTH))
    x, y = 16 + now * 4, HEIGHT / 2 + 12 * np.sin(now / 3 + number)
    return (rows - y) ** 2 + (columns - x) ** 2 < 11**2


def _clip(number: int, *, still: bool):
    random = np.random.default_rng([number, still])
    small = random.integers(40, (100, 216, 216), (6, 16, 3), dtype=np.uint8)  # red is the subject's
    scene = cv2.resize(small, (2 * WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    for now in range(FRAMES):
        frame = np.roll(scene, 0 if still else 3 * now, axis=1)[:, :WIDTH].copy()
        mask = _subject(number, now)
        frame[mask] = SUBJECT
        yield frame


class Watcher:
    """A judge that compares what it sees of an edit with the untouched one, and knows nothing else.

    Args:
        controls: The folder of controls.
        seen: Which frames it looks at.
    """

    def __init__(self, controls: Path, seen: slice = slice(None)) -> None:
        self._controls, self._seen = controls, seen

    def judge(self, out: Path, name: str = "watcher") -> list[Path]:
        """Write its verdicts on controls of motion, and return the files."""
        found = []
        for control in control_names():
            if control.rpartition("-")[0] not in ("", "late", "held", "backwards", "still", "slow"):
                continue
            identity, items = read_bench(bench_of(self._controls, control))
            verdicts = [
                Verdict(
                    id=item.id,
                    theme=item.theme,
                    subtheme=item.subtheme,
                    scene=item.scene,
                    repeat=1,
                    status="ok",
                    raw=(scores := self._scores(control, item)),
                    scores=SPARKLE_6.cap(scores),
                )
                for item in items.values()
            ]
            found.append(out / f"{control}.jsonl")
            write_verdicts(found[-1], head(control, name, bench=identity), verdicts)
        return found

    def _scores(self, control: str, item: BenchItem) -> tuple[int, ...]:
        """Motion of subject and background from 5 down, by how far it is from the untouched edit's."""
        places = [edit_place(results_of(self._controls, name), item) for name in (control, UNTOUCHED)]
        clips = [decode(place)[self._seen].astype(float) for place in places]
        subjects = [np.abs(clip - SUBJECT).max(axis=3) < 100 for clip in clips]
        apart = np.mean([np.hypot(*(_middle(a) - _middle(b))) for a, b in zip(*subjects, strict=True)])
        around = ~(subjects[0] | subjects[1]).any(axis=0)
        still = [np.mean(np.abs(np.diff(clip[:, around], axis=0)) < 1.5, axis=(1, 2)) for clip in clips]
        stood = float(np.mean(still[0] > still[1] + 0.3)) if len(still[0]) else 0.0
        return (5, 5, 5, _down(apart / 4), _down(4 * stood), 5)


def _middle(mask: np.ndarray) -> np.ndarray:
    return np.argwhere(mask).mean(axis=0) if mask.any() else np.zeros(2)


def _down(by: float) -> int:
    return 5 - min(4, round(float(by)))


def audit_of(fit: dict[str, Fitness]) -> Audit:
    """What an audit says of the judge of `harness.judged`, whose fitness is given by dimension."""
    response = Response(
        samples=3, spearman=0.9, interval=(0.8, None), auc=1.0, leak=0.1, fell={"visual": 1.0}
    )
    judge = JudgeAudit(
        judge=head().judge,
        rubric=head().rubric,
        verdicts={"untouched": "a" * 64},
        not_judged=("late-1",),
        asked=160,
        failed=2,
        reasons={"failed: refused": 2},
        checks={"source": Check(3, 3)},
        damages={"held": DamageSeen("fg_motion", response)},
        dimensions=fit,
    )
    return Audit(
        format="sparkle-bench-audit",
        version=1,
        made_of="a" * 64,
        seed=0,
        samples=("a",),
        bars=BARS,
        judges=(judge,),
    )
