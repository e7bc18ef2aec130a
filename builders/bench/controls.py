"""Controls: good edits of a bench, harmed on purpose in one respect and by degrees, to audit judges with.

- Each control is a folder of results like a model's, of a small bench beside it, so that any judge judges it
  as it does a model. `controls.json` says what each one is.
- `other_prompt` are good edits on benches with other prompts: of another scene of the subtheme, of another
  subtheme, of another theme. Everything about the clip is as it was, and it is not what was asked for.
- `untouched` is the good edit, taken apart and put together again; every damage starts from that, so what
  comes of cutting out is in all of them. `source` is a model that does nothing. On a second bench, whose
  sources are the good edits, `swapped` has the sources for edits, and `twice` the same clip again.
- A damage that a sample does not show (the subject of a still clip held still) is void there: the control
  has the untouched pixels, and what a judge says of them does not count.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from sparkle.builders.bench.audited import read_as
from sparkle.builders.bench.damages import DAMAGES, GRADES
from sparkle.builders.bench.folder import BenchItem
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.records import Count, Record, Sha256, Text

FORMAT: Literal["sparkle-bench-controls"] = "sparkle-bench-controls"
VERSION: Literal[1] = 1
CONTROLS = "controls.json"
BENCH, BENCH_OF_EDITS = "bench", "bench_of_edits"
UNTOUCHED, SOURCE, SWAPPED, TWICE = "untouched", "source", "swapped", "twice"
OTHER_PROMPT = "other_prompt"


class Control(Record, frozen=True, kw_only=True):
    """One control.

    Attributes:
        name: Its folder, and the model that verdicts on it speak of.
        bench: The bench that it is judged on.
        damage: What was done; None for the four that are checks.
        dimension: The dimension that it harms.
        strength: From 1 to `GRADES`.
        void: Samples that do not show it.
    """

    name: Text
    bench: Sha256
    damage: Text | None = None
    dimension: Text | None = None
    strength: Count | None = None
    void: tuple[Text, ...] = ()


class Controls(Record, frozen=True, kw_only=True):
    """What `controls.json` says.

    Attributes:
        made_of: The revision of the bench.
        seed: Decides what is drawn.
        samples: The samples, by id.
        left_out: Why others were passed over, with how many.
        controls: The controls.
    """

    format: Literal["sparkle-bench-controls"]
    version: Literal[1]
    made_of: Sha256
    seed: int
    samples: tuple[Text, ...]
    left_out: dict[Text, Count]
    controls: tuple[Control, ...]


def control_names() -> list[str]:
    """Every control by name: those that are checks, then damages by grade."""
    return [UNTOUCHED, SOURCE, SWAPPED, TWICE, *(name for name, _, _ in harmful_controls())]


def harmful_controls() -> list[tuple[str, str, int]]:
    """Those that harm a dimension: name, dimension and strength."""
    aims = {OTHER_PROMPT: "instruction", **{damage.name: damage.dimension for damage in DAMAGES}}
    return [(f"{name}-{grade}", aim, grade) for name, aim in aims.items() for grade in range(1, GRADES + 1)]


def results_of(out: Path, name: str) -> Path:
    """The folder of results of a control."""
    return out / "controls" / name


def edit_place(results: Path, item: BenchItem) -> Path:
    """Where in a folder of results an edit stands."""
    return results / layout.bench_edited(item.theme, item.subtheme, item.scene, item.id)


def bench_of(out: Path, name: str) -> Path:
    """The bench that a control is of."""
    if name.startswith(OTHER_PROMPT):
        return out / f"{BENCH}_{name}"
    return out / (BENCH_OF_EDITS if name in (SWAPPED, TWICE) else BENCH)


def read_controls(out: Path) -> Controls:
    """Read what the controls in a folder are.

    Raises:
        ReleaseError: there are none, or it cannot be read.
    """
    path = out / CONTROLS
    if not path.exists():
        fix = "make them: sparkle bench audit BENCH --edits RESULTS --out FOLDER"
        raise ReleaseError("there are no controls", where=path, fix=fix)
    return read_as(Controls, path, "a list of controls")
