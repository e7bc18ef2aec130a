"""How often the classical scorer ranks a good edit above the same edit degraded.

    python benchmarks/ranking.py [--clips DIR] [--seed N] [--json]

- Good edits: each clip's subject composited into a moving procedural scene; with DIR, its real edit too.
  Four frames each, and for each one a quarter of a second later. They are scored as a video (mean `O_score`)
  and, the second frame, as a first-frame edit.
- With DIR: its clips (clips.jsonl) and subject_masks.npz: packed bits, one key `ID/frame`, and `shape`.
  Without: drawn clips and their true masks.
- Degraded, twice a kind, at strengths that are drawn from the seed: a mask shifted by 8 to 40 pixels at
  720p, the source pasted over the edit by such a mask; 5 to 20 % of the mask's area replaced by background; a
  colour cast on the subject or on everything; a blur of 3 to 8 pixels of everything, the subject or the
  background; the background frozen from the start or from the middle on (videos only). A real edit is taken
  apart with its mask, and what is behind its subject is inpainted.
- Scored as `small` does it, which also asks whether the source has an edge along the mask.
- Faulty: the edit made, and scored, with a mask that lacks 5 to 20 % of its area, or that holds a strip of
  old background of 8 to 40 pixels at 720p, twice each; a composite also in the scenes of two other recipes.
  It is rejected when the video's score or that of its first frame is below the default configuration's.

JSON keys: `ranked_right` (share of all pairs), `pairs`, `video_s` and `edit_s` (seconds a call), `rows` (a
degradation each: pairs, ranked_right, and the same of composites and of real edits), `good` and `degraded`
(the 10th, 50th and 90th percentile of video scores), `keeps` and `rejects` (shares of the good videos and of
the degraded ones that the default configuration's `edited_video` keeps and rejects), `good_kept`,
`limb_rejected`, `old_background_rejected` and `wrong_scene_rejected` (shares of the good ones that pass both
thresholds, and of the faulty ones that do not).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from drawn_clips.synthetic import SubjectName, draw_clip
from sparkle.generation.backends.classical.composite import Harmony, composite_frame, fit_harmony
from sparkle.generation.backends.classical.image_scorer import ScoredFrame, score_edit, score_frame
from sparkle.generation.backends.classical.propagate import soft_alpha
from sparkle.generation.backends.classical.quality import later_index
from sparkle.generation.backends.drawing.render import Scene
from sparkle.generation.config import load_config
from sparkle.generation.taxonomy import load_taxonomy
from sparkle.media.decode import decode
from sparkle.media.frames import score_indices
from sparkle.media.morphology import dilate

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Masks = npt.NDArray[np.bool_]

FRAMES = 4  # that are scored; as many show the scene a quarter of a second later
FPS = 16
WIDTH, HEIGHT = 640, 360  # of drawn clips
DRAWS = 2  # strengths of every degradation
SHIFT = (8, 40)  # pixels at 720p
CAST = (0.15, 0.4)  # largest log gain of a channel; the three add to 0
BLUR = (3.0, 8.0)  # sigma in pixels at 720p
LIMB = (0.05, 0.2)  # share of the subject's area that is missing
PROMPTS = (
    "a tropical beach where waves roll in and palm fronds sway",
    "a snowy pine forest with falling snow",
    "a meadow of tall grass swaying in the wind",
    "a city street at night with neon signs",
    "a misty mountain valley at dawn",
)
DRAWN_SUBJECTS: tuple[SubjectName, ...] = ("figure", "ball", "fish")
DRAWN = [(subject, seed) for seed in (1, 2) for subject in DRAWN_SUBJECTS]


@dataclass(frozen=True)
class Edit:
    """A good edit, and its parts: `subject` over `background` by `alpha` gives it or comes close to it.

    `recipe` is the instruction by which its scene was drawn, None for a real one; `elsewhere` is the same
    subject in scenes of other recipes.
    Every array has 2 * FRAMES frames: those that are scored, and those beside them.
    """

    name: str
    recipe: str | None
    sources: Image
    edited: Image
    masks: Masks
    subject: Image
    background: Image
    alphas: Floats
    elsewhere: tuple[Image, ...] = ()

    def put_together(self, alphas: Floats, background: Image) -> Image:
        """The edit anew from its subject, uint8 (2 * FRAMES, H, W, 3)."""
        return _over(self.subject, background, alphas)


@dataclass
class Tally:
    """Pairs of one degradation: whether each was ranked right, by kind of good edit."""

    composites: list[bool] = field(default_factory=list)
    real: list[bool] = field(default_factory=list)

    def row(self) -> dict[str, float | int | None]:
        """The figures of a row."""
        both = self.composites + self.real
        return {
            "pairs": len(both),
            "ranked_right": _share(both),
            "composites": _share(self.composites),
            "real": _share(self.real),
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, help="A folder with clips.jsonl; without it, clips are drawn.")
    parser.add_argument("--seed", type=int, default=0, help="Draws other strengths and directions.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    options = parser.parse_args()
    tallies: dict[str, Tally] = defaultdict(Tally)
    seconds: dict[str, list[float]] = defaultdict(list)
    limits = load_config(None).thresholds
    good, degraded = [], []
    kept: list[bool] = []
    rejected: dict[str, list[bool]] = defaultdict(list)
    for index, edit in enumerate(_listed(options.clips) if options.clips else _drawn()):
        video, first = _score(edit, edit.edited, seconds)
        good.append(video)
        kept.append(video >= limits.edited_video and first >= limits.edited_frame0)
        if not options.json:
            print(f"{edit.name:36} video {video:.2f}  first frame {first:.2f}")
        for name, frames in degradations(edit, np.random.Generator(np.random.PCG64([options.seed, index]))):
            worse_video, worse_first = _score(edit, frames, seconds)
            degraded.append(worse_video)
            right = tallies[name].composites if edit.recipe else tallies[name].real
            right.append(video > worse_video)
            if not name.startswith("frozen"):
                right.append(first > worse_first)
        generator = np.random.Generator(np.random.PCG64([options.seed, index, 1]))
        for name, faulty in faults(edit, generator):
            video, first = _score(faulty, faulty.edited, seconds)
            rejected[name].append(video < limits.edited_video or first < limits.edited_frame0)
    every = [right for tally in tallies.values() for right in tally.composites + tally.real]
    figures = {
        "ranked_right": _share(every),
        "pairs": len(every),
        "video_s": round(float(np.mean(seconds["video"])), 3),
        "edit_s": round(float(np.mean(seconds["edit"])), 3),
        "good": np.quantile(good, (0.1, 0.5, 0.9)).round(2).tolist(),
        "degraded": np.quantile(degraded, (0.1, 0.5, 0.9)).round(2).tolist(),
        "keeps": _share([score >= limits.edited_video for score in good]),
        "rejects": _share([score < limits.edited_video for score in degraded]),
        "good_kept": _share(kept),
        **{f"{name}_rejected": _share(shares) for name, shares in rejected.items()},
    }
    rows = {name: tally.row() for name, tally in tallies.items()}
    if options.json:
        print(json.dumps({**figures, "rows": rows}))
    else:
        _print_table(rows)
        print("\n" + "  ".join(f"{key} {value}" for key, value in figures.items()))


def degradations(edit: Edit, generator: np.random.Generator) -> Iterator[tuple[str, Image]]:
    """The edit degraded in every way, with the way's name; uint8 (2 * FRAMES, H, W, 3)."""
    unit = edit.edited.shape[1] / 720
    for _ in range(DRAWS):
        angle, pixels = generator.uniform(0, 2 * np.pi), generator.uniform(*SHIFT) * unit
        step = pixels * np.array([np.cos(angle), np.sin(angle)])
        moved = np.stack([_moved(alpha, step) for alpha in edit.alphas])
        yield "shifted mask", edit.put_together(moved, edit.background)
        yield "source pasted, shifted", _over(edit.sources, edit.edited, moved)
        holes = _holes(edit.masks, generator.uniform(*LIMB), generator.random())
        yield "missing limb", edit.put_together(edit.alphas * (1 - holes), edit.background)
        gains = generator.standard_normal(3)
        gains -= gains.mean()
        gains *= generator.uniform(*CAST) / np.abs(gains).max()
        cast = np.rint(np.clip(edit.edited * np.exp(gains), 0, 255)).astype(np.uint8)
        yield "colour cast, subject", _over(cast, edit.edited, edit.alphas)
        yield "colour cast, everything", cast
        sigma = generator.uniform(*BLUR) * unit
        blurred = np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in edit.edited])
        yield "blur, everything", blurred
        yield "blur, subject", _over(blurred, edit.edited, edit.alphas)
        yield "blur, background", _over(edit.edited, blurred, edit.alphas)
    yield "frozen background", edit.put_together(edit.alphas, edit.background[[0] * len(edit.background)])
    late = [0, 1, 1, 1, FRAMES, 1, 1, 1]
    yield "frozen halfway", edit.put_together(edit.alphas, edit.background[late])


def faults(edit: Edit, generator: np.random.Generator) -> Iterator[tuple[str, Edit]]:
    """The edit as a faulty mask makes it, with the fault's name."""
    unit = edit.edited.shape[1] / 720
    for _ in range(DRAWS):
        holes = _holes(edit.masks, generator.uniform(*LIMB), generator.random())
        lost = edit.put_together(edit.alphas * (1 - holes), edit.background)
        yield "limb", replace(edit, edited=lost, masks=edit.masks & (holes < 0.5))
        angle, pixels = generator.uniform(0, 2 * np.pi), generator.uniform(*SHIFT) * unit
        step = pixels * np.array([np.cos(angle), np.sin(angle)])
        strips = np.clip(np.stack([_moved(alpha, step) for alpha in edit.alphas]) - edit.alphas, 0, 1)
        old = edit.subject if edit.recipe else edit.sources
        yield (
            "old_background",
            replace(edit, edited=_over(old, edit.edited, strips), masks=edit.masks | (strips > 0.5)),
        )
    for other in edit.elsewhere:
        yield "wrong_scene", replace(edit, edited=other)


def _score(edit: Edit, frames: Image, seconds: dict[str, list[float]]) -> tuple[float, float]:
    """The score as a video and as a first-frame edit."""
    start = time.perf_counter()
    parts = (edit.sources, frames, edit.masks, frames[FRAMES:], edit.masks[FRAMES:])
    scores = [
        score_frame(ScoredFrame(*part), founded=True, recipe=edit.recipe)
        for part in zip(*parts, strict=False)
    ]
    between = time.perf_counter()
    first = score_edit(edit.sources[1], frames[1], edit.masks[1], founded=True, recipe=edit.recipe)
    seconds["video"].append(between - start)
    seconds["edit"].append(time.perf_counter() - between)
    return float(np.mean([score.O_score for score in scores])), first.overall


def _listed(folder: Path) -> Iterator[Edit]:
    packed = np.load(folder / "subject_masks.npz", allow_pickle=False)
    small = tuple(int(side) for side in packed["shape"])
    for index, line in enumerate((folder / "clips.jsonl").read_text("utf-8").splitlines()):
        row = json.loads(line)
        keys = sorted(key for key in packed.files if key.startswith(row["id"] + "/"))
        known = [
            np.unpackbits(packed[key])[: small[0] * small[1]].reshape(small).astype(bool) for key in keys
        ]
        sources, edited = (decode(folder / row[kind]) for kind in ("source", "edited"))
        which = np.linspace(0, len(keys) - 1, FRAMES).round().astype(int)
        times = [int(keys[i].rpartition("/")[2]) for i in which]
        times += [later_index(t, len(edited)) for t in times]
        # Beside a known mask: wherever the subject is on its way to the next one.
        masks = [known[i] for i in which] + [
            known[max(i - 1, 0)] | known[i] | known[min(i + 1, len(known) - 1)] for i in which
        ]
        yield _real(row["id"], sources[times], edited[times], np.stack(masks))
        prompt = (row["prompt"], *PROMPTS)[index % (len(PROMPTS) + 1)]
        yield _composite(row["id"], sources[times], np.stack(masks), times, prompt, index)


def _drawn() -> Iterator[Edit]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        for index, (subject, seed) in enumerate(DRAWN):
            masks = draw_clip(path, seed=seed, subject=subject, width=WIDTH, height=HEIGHT)
            times = list(score_indices(len(masks)))
            times += [later_index(t, len(masks)) for t in times]
            sources = decode(path)[times]
            prompt = PROMPTS[index % len(PROMPTS)]
            yield _composite(f"{subject} {seed}", sources, masks[times], times, prompt, index)


def _composite(name: str, sources: Image, masks: Masks, times: list[int], prompt: str, seed: int) -> Edit:
    height, width = sources.shape[1:3]
    alphas = np.stack([soft_alpha(*pair) for pair in zip(sources, masks, strict=True)])

    def set_into(scene: Scene) -> tuple[Image, Image, Harmony]:
        background = np.stack([scene.frame(t / FPS) for t in times])
        harmony = fit_harmony(sources[alphas > 0.5][::101], background[FRAMES // 2])
        parts = zip(sources, alphas, background, strict=True)
        return np.stack([composite_frame(*part, harmony) for part in parts]), background, harmony

    scene = Scene.from_prompt(prompt, seed=seed, width=width, height=height)
    edited, background, harmony = set_into(scene)
    everywhere = np.ones((height, width), np.float32)
    parts = zip(sources, background, strict=True)
    subject = np.stack([composite_frame(source, everywhere, behind, harmony) for source, behind in parts])
    others = [other for other in load_taxonomy().all_scenes if other.is_drawn and other != scene.scene]
    generator = np.random.Generator(np.random.PCG64([seed, 2]))
    chosen = generator.choice(len(others), DRAWS, replace=False)
    elsewhere = [Scene(others[index], seed=seed, width=width, height=height) for index in chosen]
    return Edit(
        f"{name} in {prompt[:20]}",
        prompt,
        sources,
        edited,
        _full(masks, edited),
        subject,
        background,
        alphas,
        tuple(set_into(other)[0] for other in elsewhere),
    )


def _real(name: str, sources: Image, edited: Image, masks: Masks) -> Edit:
    full = _full(masks, edited)
    background = np.stack([_without(frame, mask) for frame, mask in zip(edited, full, strict=True)])
    alphas = np.stack([soft_alpha(*pair) for pair in zip(edited, masks, strict=True)])
    return Edit(name, None, sources, edited, full, edited, background, alphas)


def _full(masks: Masks, like: Image) -> Masks:
    size = like.shape[2], like.shape[1]
    return np.stack([cv2.resize(mask.astype(np.float32), size) >= 0.5 for mask in masks])


def _without(frame: Image, mask: Masks) -> Image:
    """The frame with its subject inpainted at an eighth of the size; texture is the mirrored frame's."""
    height, width = mask.shape
    small = width // 8, height // 8
    hole = cv2.resize(dilate(mask, round(height / 60)).astype(np.uint8), small, interpolation=cv2.INTER_AREA)
    filled = cv2.inpaint(cv2.resize(frame, small, interpolation=cv2.INTER_AREA), hole, 3, cv2.INPAINT_TELEA)
    mirrored = frame[:, ::-1].astype(np.float32)
    texture = mirrored - cv2.GaussianBlur(mirrored, (0, 0), height / 60)
    smooth = cv2.resize(filled, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    hard = dilate(mask, round(height / 90)).astype(np.float32)
    soft = np.asarray(cv2.GaussianBlur(hard, (0, 0), height / 240))[..., None]
    return np.rint(np.clip(frame * (1 - soft) + (smooth + texture) * soft, 0, 255)).astype(np.uint8)


def _moved(alpha: Floats, step: npt.NDArray[np.float64]) -> Floats:
    transform = np.array([[1, 0, step[0]], [0, 1, step[1]]])
    return np.asarray(cv2.warpAffine(alpha, transform, (alpha.shape[1], alpha.shape[0])), np.float32)


def _holes(masks: Masks, share: float, where: float) -> Floats:
    """A soft disc about a point of each mask's edge that takes a share of its area, float32 (T, H, W)."""
    return np.stack([_hole(mask, share, where) for mask in masks])


def _hole(mask: Masks, share: float, where: float) -> Floats:
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8))
    ys, xs = np.nonzero(mask & (inner == 0))
    point = int(where * len(ys))
    rows, columns = np.nonzero(mask)
    far = (rows - ys[point]) ** 2 + (columns - xs[point]) ** 2
    radius = round(float(np.sqrt(np.quantile(far, share))))
    hole = np.zeros(mask.shape, np.float32)
    cv2.circle(hole, (int(xs[point]), int(ys[point])), radius, 1.0, -1)
    return np.asarray(cv2.GaussianBlur(hole, (0, 0), 1.5), np.float32)


def _over(front: Image, back: Image, alphas: Floats) -> Image:
    mixed = front * alphas[..., None] + back * (1 - alphas[..., None])
    return np.asarray(np.rint(mixed), np.uint8)


def _share(values: list[bool]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None


def _print_table(rows: dict[str, dict[str, float | int | None]]) -> None:
    columns = ("pairs", "ranked_right", "composites", "real")
    print("\n" + " " * 26 + "".join(f"{column:>14}" for column in columns))
    for name, row in rows.items():
        cells = ("-" if row[column] is None else f"{row[column]:g}" for column in columns)
        print(f"{name:26}" + "".join(f"{cell:>14}" for cell in cells))


if __name__ == "__main__":
    main()
