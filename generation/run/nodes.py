"""The nodes of a cluster, looked at before a run: do they fit each other, and is the run folder one folder?

- What decides bytes must be the same everywhere: fingerprints are the driver's.
- A folder is the same where a node reads what the driver has just written there.
- Where the run folder is not there yet, the nearest folder above it is what nodes must share.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

from sparkle._files import temporary_beside
from sparkle.generation.config import RunConfig
from sparkle.generation.run.fingerprints import processor, run_packages
from sparkle.generation.run.local import gpu_bytes, visible_gpus
from sparkle.generation.run.plan import workload
from sparkle.schemas.errors import ConfigError
from sparkle.schemas.version import __version__


@dataclass(frozen=True)
class NodeView:
    """What a process sees where it is.

    Args:
        versions: Of everything that decides what a run makes, and of what carries it.
        processor: What its processor can do; another one may round otherwise.
        gpus: Bytes of each GPU; 0 where nobody says.
        folder: Whether it reads what the driver wrote, and may write itself: what is wrong, or nothing.
        free_bytes: Of the disk of that folder.
        missing: What a backend of the configuration lacks here.
    """

    versions: dict[str, str]
    processor: dict[str, str]
    gpus: tuple[int, ...]
    folder: str = ""
    free_bytes: int = 0
    missing: str = ""


@dataclass(frozen=True)
class Node:
    """A node of the cluster.

    Args:
        name: Its host.
        address: By which others reach it.
        cpus: That it gives.
        gpus: That it gives.
        view: What a process sees there; None where it did not answer.
        error: Why it did not.
    """

    name: str
    address: str
    cpus: int
    gpus: int
    view: NodeView | None = None
    error: str = ""


@dataclass(frozen=True)
class Trouble:
    """Something that is not as it should be, and what to do about it."""

    node: str
    problem: str
    fix: str


@dataclass(frozen=True)
class ClusterReport:
    """What a look at a cluster has found."""

    nodes: tuple[Node, ...]
    ours: NodeView
    troubles: tuple[Trouble, ...] = ()
    notes: tuple[str, ...] = ()


AskNodes = Callable[[Callable[[], NodeView]], Sequence[Node]]


def check_cluster(ask: AskNodes, config: RunConfig, run: Path | None) -> ClusterReport:
    """Look at every node of a cluster.

    Args:
        ask: Has each node answer a question.
        config: The configuration that the run will have.
        run: Its folder, which may come to be.

    Raises:
        ConfigError: a backend of the configuration lacks a package, here already.
        OSError: the folder cannot be written here.
    """
    run_packages(config)
    with _probe(run) as (place, token):
        ours = look(config, place, token)
        nodes = tuple(ask(partial(look, config, place, token)))
    return ClusterReport(nodes, ours, tuple(_troubles(nodes, ours, run, config)), tuple(_notes(nodes)))


@contextmanager
def _probe(run: Path | None) -> Iterator[tuple[Path | None, str]]:
    token = uuid4().hex
    if run is None:
        yield None, token
        return
    there = run.resolve()
    while not there.is_dir():
        there = there.parent
    place = temporary_beside(there / f"probe-{token}")
    place.write_text(token)
    try:
        yield place, token
    finally:
        place.unlink(missing_ok=True)


def look(config: RunConfig, place: Path | None, token: str) -> NodeView:
    """Return what this process sees.

    Args:
        config: The run's configuration.
        place: Of a file that the driver wrote; None looks at no folder.
        token: What is in it.
    """
    missing = ""
    try:
        versions = versions_here(config)
    except ConfigError as error:
        versions, missing = {}, f"{error.wanted or error.problem}"
    gpus = tuple(map(gpu_bytes, visible_gpus()))
    wrong = "" if place is None else _wrong_with(place, token)
    free = 0 if place is None or wrong else shutil.disk_usage(place.parent).free
    return NodeView(versions, processor(), gpus, wrong, free, missing)


def versions_here(config: RunConfig) -> dict[str, str]:
    """Return the versions of everything that decides what a run makes, and of what carries it; by name.

    Raises:
        ConfigError: a backend of the configuration lacks a package.
    """
    packages = {**run_packages(config), "sparkle": __version__, "ray": version("ray")}
    packages["python"] = platform.python_version()
    return {name: found for name, found in sorted(packages.items()) if name not in processor()}


def _wrong_with(place: Path, token: str) -> str:
    try:
        if place.read_text() != token:
            return "what is there was written by another"
    except OSError as error:
        return error.strerror or str(error)
    return "" if os.access(place.parent, os.W_OK) else "nothing may be written there"


def _troubles(
    nodes: Sequence[Node], ours: NodeView, run: Path | None, config: RunConfig
) -> Iterator[Trouble]:
    for node in nodes:
        view = node.view
        if view is None:
            yield Trouble(
                node.name, node.error, f"log in to {node.name}, and run there: python -c 'import sparkle'"
            )
            continue
        if view.missing:
            yield Trouble(node.name, f"{view.missing} is not installed there", _same_environment(node))
        other = [
            f"{name} {view.versions.get(name, 'missing')} (here {wanted})"
            for name, wanted in ours.versions.items()
            if view.versions.get(name) != wanted
        ]
        if other and not view.missing:
            yield Trouble(node.name, f"other versions: {', '.join(other)}", _same_environment(node))
        if view.folder and run is not None:
            yield Trouble(
                node.name,
                f"{run} is not the same folder there: {view.folder}",
                f"mount the disk of {run.resolve()} on {node.name}, at the same path",
            )
    if not any(node.gpus for node in nodes) and workload(config).models:
        yield Trouble(
            "the cluster",
            f"it has no GPU, and {config.name} needs one",
            "start a node that has one, or choose other backends: sparkle models",
        )


def _same_environment(node: Node) -> str:
    return f"here: pip freeze > here.txt; on {node.name}, with the same Python: pip install -r here.txt"


def _notes(nodes: Sequence[Node]) -> Iterator[str]:
    there = [node.view for node in nodes if node.view is not None]
    kinds = {kind for view in there for kind in view.processor.values()}
    if len(kinds) > 1:
        yield f"processors differ ({', '.join(sorted(kinds))}): the last bits of optical flow may, too"
    sizes = {size for view in there for size in view.gpus if size}
    if len(sizes) > 1:
        shown = ", ".join(f"{size / 10**9:.0f} GB" for size in sorted(sizes))
        yield f"GPUs differ ({shown}): models are placed for the smallest"
