"""`sparkle bench baselines`: what no model made of a bench, to stand beside what models made."""

from __future__ import annotations

from pathlib import Path

import click

from sparkle.commands.console import FINDINGS, Terminal, Verb
from sparkle.commands.options import FOLDER, out_option, output_options, workers_option
from sparkle.schemas.verdicts import BASELINES


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
    masks where there are any. Run the same command again to resume.

    Example: sparkle bench baselines bench --out results
    """
    from sparkle._processes import cpus, pool_of
    from sparkle.builders.bench.folder import read_bench
    from sparkle.builders.bench.jobs import list_jobs
    from sparkle.builders.bench.results import mark_baseline
    from sparkle.generation.backends.classical.baselines import BaselineJob
    from sparkle.schemas import layout

    identity, items = read_bench(bench)
    workers, names = workers or cpus(), names or BASELINES
    made: dict[str, BaselineJob] = {}
    for name in names:
        mark_baseline(out / name, name, identity.revision)
        for job in list_jobs(bench, out / name, workers=workers, progress=terminal.progress):
            mask, reference = (
                path if (path := bench / place(job.theme, job.id)).is_file() else None
                for place in (layout.bench_mask, layout.bench_reference)
            )
            new = BaselineJob(
                sample_id=job.id,
                source=Path(job.source),
                prompt=job.prompt,
                frames=job.frames,
                size=(job.width, job.height),
                mask=mask,
                reference=reference,
                outs={},
            )
            made.setdefault(job.id, new).outs[name] = Path(job.out)
    problems = []
    with pool_of(workers) as pool, terminal.progress("making baselines", len(made)) as advance:
        for sample_id, problem in zip(made, pool([*made.values()]), strict=True):
            problems += [f"{sample_id}: {problem}"] if problem is not None else []
            advance()
    lines = [f"{out / name}: made of {len(items)} samples" for name in names]
    terminal.result("\n".join([*lines, *problems]), {"baselines": list(names), "problems": problems})
    raise SystemExit(FINDINGS if problems else 0)
