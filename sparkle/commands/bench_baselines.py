"""`sparkle bench baselines`: what no model made of a bench, to stand beside what models made."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sparkle._files import exclusive, remove_leftovers
from sparkle._progress import Progress, silent
from sparkle.commands.console import FINDINGS, Terminal, Verb
from sparkle.commands.options import FOLDER, out_option, output_options, workers_option
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.verdicts import BASELINES

if TYPE_CHECKING:
    from sparkle.builders.bench.jobs import EditJob
    from sparkle.generation.backends.classical.baselines import BaselineJob


@click.command(cls=Verb, resumes="what is finished in {out} is kept")
@click.argument("bench", type=FOLDER)
@out_option("The folder of results: each baseline gets a folder in it, by its name.")
@click.option(
    "--only", "names", multiple=True, type=click.Choice(BASELINES), help="Only this baseline. Repeatable."
)
@workers_option
@output_options
def baselines(
    bench: Path, out: Path, names: tuple[str, ...], workers: int | None, terminal: Terminal
) -> None:
    """Make edits of a bench without a model: what every report should have beside its models.

    source is the source, not edited; frozen is the edited first frame, held; copy_paste is the subject pasted
    over a still background; classical is the CPU backend: the subject blended into a drawn, moving scene. A
    judge whose scores do not tell them apart does not see what it is asked about.

    They are made on the CPU of the bench's folder alone: source videos, instructions, reference images and
    masks where there are any. A sample of which one cannot be made is named, and the exit code is 1. Run the
    same command again to resume.

    Example: sparkle bench baselines bench --out results
    """
    from sparkle._processes import cpus

    names = tuple(dict.fromkeys(names)) or BASELINES
    problems = make_baselines(bench, out, names, workers=workers or cpus(), progress=terminal.progress)
    lines = []
    for sample_id, found in problems.items():
        for problem in dict.fromkeys(found.values()):
            which = ", ".join(name for name in names if found.get(name) == problem)
            lines.append(f"{sample_id}: no {which}: {problem}")
    broken = {name for found in problems.values() for name in found}
    lines += [f"{out / name}: {'not whole' if name in broken else 'whole'}" for name in names]
    terminal.result("\n".join(lines), {"baselines": list(names), "problems": problems})
    raise SystemExit(FINDINGS if problems else 0)


def make_baselines(
    bench: Path, out: Path, names: Sequence[str], *, workers: int = 1, progress: Progress = silent
) -> dict[str, dict[str, str]]:
    """Make what is missing of some baselines of a bench.

    Args:
        bench: The bench's folder.
        out: The folder that has or gets a folder of each.
        names: Which, of `BASELINES`.
        workers: How many processes make them.
        progress: Told of each sample.

    Returns:
        Why some of them cannot be made, by sample and name.

    Raises:
        ReleaseError: the bench cannot be read, or what is there are other results.
    """
    from sparkle._processes import pool_of
    from sparkle.builders.bench.folder import read_bench
    from sparkle.builders.bench.jobs import list_jobs
    from sparkle.builders.bench.results import mark_baseline

    identity, _ = read_bench(bench)
    jobs: dict[str, BaselineJob] = {}
    with ExitStack() as held:
        for name in names:
            results = out / name
            mark_baseline(results, name, identity.revision)
            held.enter_context(
                exclusive(results, ReleaseError("another process makes this baseline", where=results))
            )
            remove_leftovers(results)
            for job in list_jobs(bench, results, workers=workers, progress=progress):
                jobs.setdefault(job.id, _job(bench, job)).outs[name] = Path(job.out)
        problems = {}
        with pool_of(workers) as pool, progress("making baselines", len(jobs)) as advance:
            for sample_id, problem in zip(jobs, pool([*jobs.values()]), strict=True):
                if problem:
                    problems[sample_id] = problem
                advance()
    return problems


def _job(bench: Path, job: EditJob) -> BaselineJob:
    from sparkle.generation.backends.classical.baselines import BaselineJob

    mask, reference = (
        path if (path := bench / place(job.theme, job.id)).is_file() else None
        for place in (layout.bench_mask, layout.bench_reference)
    )
    return BaselineJob(
        sample_id=job.id,
        source=Path(job.source),
        prompt=job.prompt,
        frames=job.frames,
        size=(job.width, job.height),
        mask=mask,
        reference=reference,
        outs={},
    )
