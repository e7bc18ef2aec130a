"""`sparkle cluster`: do the nodes of a Ray cluster fit each other, and the run?"""

from __future__ import annotations

from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sparkle._extras import require
from sparkle._progress import count_text, size_text
from sparkle.commands.console import FINDINGS, Terminal, Verb
from sparkle.commands.options import PATH, config_options, output_options, read_config
from sparkle.schemas.errors import command

if TYPE_CHECKING:
    from sparkle.generation.config import RunConfig
    from sparkle.generation.run.nodes import ClusterReport, Node

_EXAMPLES = {"slurm": "slurm.sbatch", "kuberay": "rayjob.yaml", "workstation": "workstation.toml"}


@click.command(cls=Verb)
@click.argument("run", metavar="[RUN]", type=PATH, required=False)
@click.option(
    "--address", default="auto", show_default=True, help="The cluster's head, such as 10.0.0.1:6379."
)
@config_options
@click.option(
    "--example",
    type=click.Choice([*_EXAMPLES]),
    help="Print a file to start from, and look at no cluster: a batch script for Slurm, a RayJob for "
    "KubeRay, or what `generate --cluster` reads.",
)
@output_options
def cluster(
    run: Path | None,
    address: str,
    config: str | None,
    settings: tuple[str, ...],
    example: str | None,
    terminal: Terminal,
) -> None:
    """Look at the nodes of a Ray cluster: GPUs, versions, and whether RUN is the same folder on each.

    RUN need not be there yet. Ends with 1 where something does not fit, and says what to do.

    Example: sparkle cluster runs/paper --config paper-fast

    Example: sparkle cluster --example slurm > job.sbatch
    """
    if example is not None:
        name = _EXAMPLES[example]
        text = resources.files("sparkle.configs").joinpath("cluster", name).read_text("utf-8")
        terminal.result(text.rstrip("\n"), {"name": name, "text": text})
        return
    require("ray", "2.52", extra="ray", whom="a cluster")
    from sparkle.generation.run.nodes import check_cluster
    from sparkle.generation.run.ray_executor import ask_nodes

    resolved = read_config(config, settings).config
    with ask_nodes(address) as ask:
        report = check_cluster(ask, resolved, run)
    _show(report, resolved, run, address, terminal)
    if report.troubles:
        raise SystemExit(FINDINGS)


def _show(
    report: ClusterReport, config: RunConfig, run: Path | None, address: str, terminal: Terminal
) -> None:
    columns = ["node", "address", "CPUs", "GPUs", "GPU memory", "free in RUN", "versions"]
    terminal.table("Nodes", columns, [_row(node, report) for node in report.nodes])
    gpus = sum(node.gpus for node in report.nodes)
    for note in (*report.notes, *_way(report, config, gpus)):
        terminal.say(f"note: {note}")
    for trouble in report.troubles:
        terminal.say(f"{trouble.node}: {trouble.problem}\n  next: {trouble.fix}")
    found = count_text(len(report.troubles), "problem")
    told = f"{count_text(len(report.nodes), 'node')}, {count_text(gpus, 'GPU')}: {found}"
    if not report.troubles:
        words = ("--out", run or "RUN", "--executor", "ray", "--address", address)
        told += f"\nnext: {command('sparkle', 'generate', '--sources', 'SOURCES', *words)}"
    terminal.result(told, {"address": address, "run": None if run is None else str(run), **asdict(report)})


def _way(report: ClusterReport, config: RunConfig, gpus: int) -> list[str]:
    """How a run of this configuration would go here."""
    from sparkle.generation.run.placement import fewest_gpus, place
    from sparkle.generation.run.plan import workload

    work = workload(config)
    if not work.models or not gpus:
        return []
    sizes = [size for node in report.nodes if node.view for size in node.view.gpus if size]
    if not sizes:
        return ["nobody says how large the GPUs are: give vram in the file of --cluster"]
    if place(work, gpus, min(sizes)) is not None:
        return [
            f"{config.name} streams: {count_text(gpus, 'GPU')} of {size_text(min(sizes))} hold its models"
        ]
    fewest = fewest_gpus(work, min(sizes))
    return [f"{config.name} goes by step: its models need {fewest or 'larger'} GPUs at once"]


def _row(node: Node, report: ClusterReport) -> list[str]:
    view = node.view
    if view is None:
        return [node.name, node.address, str(node.cpus), str(node.gpus), "?", "?", "?"]
    sizes = ", ".join(size_text(size) for size in sorted(set(view.gpus)) if size) or "-"
    free = size_text(view.free_bytes) if view.free_bytes else "-"
    same = "as here" if view.versions == report.ours.versions else "other"
    return [node.name, node.address, str(node.cpus), str(node.gpus), sizes, free, same]
