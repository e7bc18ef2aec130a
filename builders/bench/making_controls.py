"""Controls are made: samples are chosen, each is made whole by one process, and the two benches are written.

One that is there, of the same clips, is not made again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from sparkle._files import exclusive, remove_leftovers, write_atomic, write_jsonl
from sparkle._folders import is_junk
from sparkle._processes import pool_of
from sparkle._progress import Progress, silent
from sparkle.builders.bench.control_clips import ControlClips, MadeSample, link_anew
from sparkle.builders.bench.controls import (
    BENCH_OF_EDITS,
    CONTROLS,
    FORMAT,
    OTHER_PROMPT,
    SOURCE,
    TWICE,
    UNTOUCHED,
    VERSION,
    Control,
    Controls,
    bench_of,
    control_names,
    edit_place,
    harmful_controls,
    results_of,
)
from sparkle.builders.bench.folder import BenchItem, read_bench
from sparkle.builders.bench.results import BaselineMark
from sparkle.builders.release.formats import csv_line
from sparkle.schemas import layout
from sparkle.schemas.canonical import dump_document
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import THEMES, is_id
from sparkle.schemas.seeds import derive_seed
from sparkle.schemas.validate import check_jsonl

SAMPLES = 12


def make_controls(
    bench: Path,
    edits: Path,
    out: Path,
    *,
    samples: int = SAMPLES,
    seed: int = 0,
    workers: int = 1,
    progress: Progress = silent,
) -> Controls:
    """Make controls of good edits, or what is missing of them.

    Args:
        bench: The bench.
        edits: Results of a good model on it, or of a baseline.
        out: The folder that they go into: new, empty, or of controls.
        samples: How many samples; scenes take turns.
        seed: Decides what is drawn.
        workers: How many processes work.
        progress: Told of each sample.

    Raises:
        ReleaseError: the folder has something else in it, or no sample can be used.
    """
    identity, items = read_bench(bench)
    _refuse_foreign(out)
    out.mkdir(parents=True, exist_ok=True)
    busy = ReleaseError("another process is making these controls", where=out, fix="wait for it to end")
    with exclusive(out, busy):
        remove_leftovers(out)
        queue = iter(_in_turns(items.values(), seed))
        made: dict[str, MadeSample] = {}
        left_out: Counter[str] = Counter()
        with pool_of(workers) as pool, progress("making controls (samples)", samples) as advance:
            while batch := list(islice(queue, samples - len(made))):
                jobs = [ControlClips(item, bench, edits, out, seed) for item in batch]
                for job, found in zip(jobs, pool(jobs), strict=True):
                    if isinstance(found, str):
                        left_out[found] += 1
                    else:
                        made[job.item.id] = found
                        advance()
        if not made:
            reasons = ", ".join(f"{count} times {reason}" for reason, count in sorted(left_out.items()))
            raise ReleaseError("no edit of the bench can be harmed", got=reasons, where=edits)
        return _finish(out, bench, identity.revision, seed, items, made, left_out)


def _refuse_foreign(out: Path) -> None:
    names = {path.name for path in out.iterdir()} if out.is_dir() else {out.name} if out.exists() else set()
    benches = {bench_of(out, name).name for name in control_names()}
    ours = {CONTROLS, "controls", "made", "verdicts", "audit.json", *benches}
    strange = {name for name in names - ours if not is_junk(name) and not name.startswith(".")}
    if strange or (names and not ({CONTROLS, "made"} & names)):
        raise ReleaseError(
            "--out already contains files that do not belong to an audit",
            got=", ".join(sorted(strange or names)[:5]),
            wanted="a new or empty folder, or an audit to bring up to date",
            where=out,
            fix="choose another --out",
        )


def _in_turns(items: Iterable[BenchItem], seed: int) -> list[BenchItem]:
    """Samples in the order in which they are taken: one of a scene of each theme, and so on."""
    scenes: dict[tuple[str, str, str], list[BenchItem]] = {}
    for item in sorted(items, key=lambda item: derive_seed(seed, item.id)):
        scenes.setdefault((item.theme, item.subtheme, item.scene or item.id), []).append(item)
    themes: Counter[str] = Counter()
    ranked = []
    for (theme, _, _), several in scenes.items():
        ranked += [(turn, themes[theme], theme, item.id, item) for turn, item in enumerate(several)]
        themes[theme] += 1
    return [item for *_, item in sorted(ranked, key=lambda entry: entry[:4])]


def _other_prompt(item: BenchItem, items: Mapping[str, BenchItem], grade: int, seed: int) -> str | None:
    """Another scene's prompt: of the subtheme, of the theme, of another theme; None where there is none."""
    near = [
        other
        for other in sorted(items.values(), key=lambda other: derive_seed(seed, item.id, other.id))
        if (other.scene != item.scene and other.prompt != item.prompt)
        and grade == (3 if other.theme != item.theme else 2 if other.subtheme != item.subtheme else 1)
    ]
    return near[0].prompt if near else None


def _finish(
    out: Path,
    bench: Path,
    revision: str,
    seed: int,
    items: Mapping[str, BenchItem],
    made: Mapping[str, MadeSample],
    left_out: Mapping[str, int],
) -> Controls:
    """Write the benches and the list, and remove what is of no sample."""
    chosen = [items[sample_id] for sample_id in sorted(made)]
    aims = {name: (name.rpartition("-")[0], aim, grade) for name, aim, grade in harmful_controls()}
    revisions: dict[Path, str] = {}
    controls = []
    for name in control_names():
        folder, (damage, aim, grade) = bench_of(out, name), aims.get(name, (None, None, None))
        prompts: dict[str, str | None] = {item.id: item.prompt for item in chosen}
        if damage == OTHER_PROMPT and grade is not None:
            prompts = {item.id: _other_prompt(item, items, grade, seed) for item in chosen}
        if folder not in revisions:
            asked = [(item, prompts[item.id] or item.prompt) for item in chosen]
            _write_bench(folder, bench, asked, out if folder.name == BENCH_OF_EDITS else None)
            revisions[folder] = read_bench(folder)[0].revision
        void = [item.id for item in chosen if prompts[item.id] is None or made[item.id].void(name)]
        controls.append(
            Control(
                name=name,
                bench=revisions[folder],
                damage=damage,
                dimension=aim,
                strength=grade,
                void=tuple(void),
            )
        )
        if name in (SOURCE, TWICE):  # so that nobody takes them for a model that failed to edit
            mark = BaselineMark("source", revisions[folder])
            write_atomic(results_of(out, name) / layout.BASELINE, dump_document(mark))
    _remove_others(out, made.keys())
    found = Controls(
        format=FORMAT,
        version=VERSION,
        made_of=revision,
        seed=seed,
        samples=tuple(item.id for item in chosen),
        left_out=dict(sorted(left_out.items())),
        controls=tuple(controls),
    )
    write_atomic(out / CONTROLS, dump_document(found))
    return found


def _write_bench(
    folder: Path, bench: Path, asked: Sequence[tuple[BenchItem, str]], controls: Path | None
) -> None:
    """Write a bench of some samples with their prompts; its sources are good edits with `controls`."""
    for theme in THEMES:
        own = {item.id: prompt for item, prompt in asked if item.theme == theme}
        if not own:
            for name in (layout.bench_csv(theme), layout.bench_metadata(theme)):
                (folder / name).unlink(missing_ok=True)
            continue
        rows = [[theme, prompt, layout.bench_source(theme, sample_id)] for sample_id, prompt in own.items()]
        text = "".join(map(csv_line, [[*layout.BENCH_CSV_COLUMNS], *rows]))
        write_atomic(folder / layout.bench_csv(theme), text.encode())
        lines = check_jsonl(bench / layout.bench_metadata(theme), "training_metadata")
        known = {value["id"]: value for _, value, _ in lines}
        metadata = [known[sample_id] | {"prompt": prompt} for sample_id, prompt in own.items()]
        write_jsonl(folder / layout.bench_metadata(theme), metadata)
    for item, _ in asked:
        source, mask = (place(item.theme, item.id) for place in (layout.bench_source, layout.bench_mask))
        if controls is None:
            link_anew(bench / source, folder / source)
        else:
            link_anew(edit_place(results_of(controls, UNTOUCHED), item), folder / source)
        if (bench / mask).is_file():
            own_mask = bench / mask if controls is None else controls / "made" / f"{item.id}.npz"
            link_anew(own_mask, folder / mask)


def _remove_others(out: Path, keep: Collection[str]) -> None:
    """Remove what earlier calls made of other samples."""
    for path in sorted(out.rglob("*")):
        sample_id = path.stem.removesuffix("_edited")
        if path.is_file() and is_id(sample_id) and sample_id not in keep:
            path.unlink()
