"""Run a run's jobs on a Ray cluster: actors, each of which does one job at a time. Only here Ray is imported.

How it works:
- Ray starts processes on machines and carries jobs and answers, of a few kilobytes. Clips and artifacts lie
  on storage that all nodes see; scheduling, retries and durability are the driver's. So nothing is restarted
  or retried by Ray.
- There is an actor per CPU, and one per GPU for what loads a model, which sees that GPU alone. Each has two
  jobs, of which one waits: it never waits for the driver.
- An actor that does not answer is lost, for whatever reason (killed, its node gone or cut off): it is
  buried, and what it had goes to others. What it writes later has no place any more (`epoch`). Then each of
  those jobs is done alone, so that the next death names the culprit.
- A node on which the machine could not do a job (a full disk) gets no more; when that is true of the last
  node, or of several, the run stops. An actor that has not arrived may be on another node: it is waited for.
- Before an actor gets its first job it says where it is, and what a job raises comes back as a value: see
  `remote`.
"""

from __future__ import annotations

import os
import platform
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import cv2
import ray
from ray.exceptions import ActorDiedError, RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from sparkle._processes import Job
from sparkle._progress import count_text
from sparkle.generation.config import RunConfig
from sparkle.generation.run.cluster import ClusterOptions
from sparkle.generation.run.executor import MakeJob
from sparkle.generation.run.jobs import Done
from sparkle.generation.run.local import VISIBLE, gpu_bytes
from sparkle.generation.run.nodes import Node, NodeView
from sparkle.generation.run.remote import Raised, Site, caught, given_up, plain_words, raise_here, site_here
from sparkle.generation.run.schedule import ATTEMPTS, Load, Schedule, Task
from sparkle.schemas.errors import RunError

Answer = TypeVar("Answer")

_IN_HAND = 2  # jobs of an actor: a third gains nothing
_NODES = 3  # on so many the machine could not do it: it is not theirs
_STARTS = 5  # actors that die one after the other before they are ready: others will, too
_GROWING = 5.0  # seconds between looks at how large the cluster is
_ALONE = 30.0  # seconds without an actor until that is said
_ARRIVING = 120.0  # seconds that actors have to arrive where no other node can do the work
_ANSWERED = 60.0  # seconds that a node has to answer a question
_PATIENCE = 20.0  # seconds until a head that does not answer is not there
_THREADS = "OMP_NUM_THREADS"


class Actor:
    """What runs on the cluster."""

    def arrive(self, folder: str, root: Path, config: RunConfig, *, gpu: bool) -> Site | Raised:
        """Come to the driver's folder, so that relative paths are the same; say where this is."""
        return caught(lambda: _arrive(folder, root, config, gpu=gpu))

    def do(self, job: Job[Answer]) -> Answer | Raised:
        """Do a job."""
        return caught(job)


def _arrive(folder: str, root: Path, config: RunConfig, *, gpu: bool) -> Site:
    cv2.setNumThreads(1)
    if not gpu:
        os.environ[VISIBLE] = ""
    with suppress(OSError):
        os.chdir(folder)
    node = ray.get_runtime_context().get_node_id()
    return site_here(root, config, node=node, vram=gpu_bytes(os.environ.get(VISIBLE, "")) if gpu else 0)


@dataclass(eq=False)
class _Given:
    """A job in somebody's hands, or to be given again."""

    job: Job[Any]
    what: Task | Load | None = None  # of a schedule
    alone: bool = False
    deaths: int = 0


@dataclass(eq=False)
class _Hired:
    """An actor."""

    gpu: bool
    handle: Any
    arriving: Any  # the answer of `arrive`; None once it is there
    site: Site | None = None
    hands: dict[Any, _Given] = field(default_factory=dict)  # by the answer that is waited for

    @property
    def ready(self) -> bool:
        return self.arriving is None


@dataclass
class _News:
    """What has happened: who arrived, what was answered, who is lost."""

    arrived: list[_Hired] = field(default_factory=list)
    answers: list[tuple[_Hired, _Given, Any]] = field(default_factory=list)
    lost: list[tuple[_Hired, list[_Given], bool]] = field(default_factory=list)  # whether a job may be why


class RayExecutor:
    """Actors of a Ray cluster; a context manager.

    Args:
        options: The cluster.
        root: The run folder; its epoch has begun.
        config: The run's configuration.
        workers: Actors that have no GPU; None is one per CPU of the cluster.
        say: Told what is lost.
    """

    def __init__(
        self,
        options: ClusterOptions,
        root: Path,
        config: RunConfig,
        workers: int | None,
        say: Callable[[str], None],
    ) -> None:
        self._options = options
        self._root = root
        self._config = config
        self._wanted = workers
        self._say = say
        self._actors: list[_Hired] = []
        self._idle_nodes: dict[str, RunError] = {}  # where the machine could not do a job, and why
        self._raised: list[Raised] = []
        self._failed_starts = 0
        self._looked = self._somebody = time.monotonic()
        self._told_processors = self._told_alone = False
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            if not ray.is_initialized():
                stack.enter_context(_connected(self._options.address))
            self._here = site_here(self._root, self._config)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        for actor in self._actors:
            ray.kill(actor.handle, no_restart=True)
        self._actors = []
        self._stack.close()

    @property
    def workers(self) -> int:
        """How many share what is not on a GPU."""
        return self._wanted or max(1, self._count("CPU"))

    @property
    def gpus(self) -> int:
        """How many GPUs the cluster has."""
        return self._count("GPU")

    def vram(self) -> int:
        """Bytes of a GPU, as the first one says that a worker gets; 0 where none says."""
        if self._options.vram or not self.gpus:
            return self._options.vram
        self._hire(gpu=True)
        while not (there := [actor.site for actor in self._actors if actor.gpu and actor.site]):
            self._news()
        return there[0].vram

    def map(self, jobs: Iterable[Job[Answer]], *, on_gpu: bool = False) -> Iterator[list[Answer]]:
        """Yield the answers of all jobs; see `Executor`.

        Raises:
            RunError: the cluster cannot do it.
        """
        waiting, again = iter(jobs), deque[_Given]()
        if on_gpu and not self.gpus:
            raise RunError(
                "the cluster has no GPU",
                wanted="one, for the models of this configuration",
                where=self._options.address,
                fix="start a node that has one, or choose other backends: sparkle models",
            )
        while True:
            if not again:
                again.extend(_Given(job) for job in islice(waiting, 1))
            if not again and not any(actor.hands for actor in self._actors):
                break
            self._grow(gpu=on_gpu)
            self._hand_out(waiting, again, on_gpu)
            news = self._news()
            answers = [answer for _, _, answer in news.answers]
            for _, had, blame in news.lost:
                for given in had:
                    if blame:
                        given.deaths += len(had) == 1
                        given.alone = True
                    if given.deaths < ATTEMPTS:
                        again.append(given)
                    else:
                        answers.append(given_up(given.job))
            if answers:
                yield answers
        if on_gpu:  # the sure way to free a device
            for actor in [actor for actor in self._actors if actor.gpu]:
                self._let_go(actor)

    def stream(self, schedule: Schedule, make_job: MakeJob) -> Iterator[list[Done]]:
        """Yield what came of the tasks of a schedule; see `Executor`.

        Raises:
            RunError: the cluster cannot do it.
        """
        kinds = (False, True) if schedule.work.models else (False,)
        joined = {actor for actor in self._actors if self._works(actor) and actor.gpu in kinds}
        for actor in joined:
            schedule.joined(actor, gpu=actor.gpu)
        while True:
            for gpu in kinds:
                self._grow(gpu=gpu)
            for name, what in schedule.hand_out():
                actor = cast(_Hired, name)
                if isinstance(what, Load) and what.fresh:
                    self._renew(actor)
                self._give(actor, _Given(make_job(what), what))
            if schedule.idle:
                return
            news = self._news()
            done = []
            for actor in news.arrived:
                schedule.joined(actor, gpu=actor.gpu)
                joined.add(actor)
            for actor, given, answer in news.answers:
                assert given.what is not None  # noqa: S101
                schedule.done(actor, given.what)
                if isinstance(given.what, Task):
                    done.append(answer)
            for actor, had, blame in news.lost:
                if actor in joined:
                    joined.remove(actor)
                    jobs = {given.what: given.job for given in had}
                    done += [given_up(jobs[task]) for task in schedule.lost(actor, blame=blame)]
            if done:
                yield done

    def _count(self, resource: str) -> int:
        return int(ray.cluster_resources().get(resource, 0))

    def _grow(self, *, gpu: bool) -> None:
        """Have as many actors as the cluster has room for: nodes may have joined."""
        have = sum(actor.gpu == gpu for actor in self._actors)
        if have and time.monotonic() - self._looked < _GROWING:
            return
        self._looked = time.monotonic()
        for _ in range((self.gpus if gpu else self.workers) - have):
            self._hire(gpu=gpu)

    def _hire(self, *, gpu: bool) -> None:
        actor = _Hired(gpu, None, None)
        self._start(actor)
        self._actors.append(actor)

    def _start(self, actor: _Hired) -> None:
        """Start an actor's process; it pends until there is room for it."""
        threads = {_THREADS: os.environ.get(_THREADS, "1")}  # Ray would say how many CPUs it has
        actor.handle = (
            ray.remote(Actor)
            .options(
                num_cpus=0 if actor.gpu else 1,
                num_gpus=1 if actor.gpu else 0,
                max_restarts=0,
                max_task_retries=0,
                max_concurrency=1,
                scheduling_strategy="SPREAD",
                runtime_env={"env_vars": threads},
            )
            .remote()
        )
        actor.site = None
        actor.arriving = actor.handle.arrive.remote(os.getcwd(), self._root, self._config, gpu=actor.gpu)

    def _renew(self, actor: _Hired) -> None:
        """Give an actor a new process: what it holds must go."""
        ray.kill(actor.handle, no_restart=True)
        self._start(actor)

    def _let_go(self, actor: _Hired) -> None:
        self._actors.remove(actor)
        ray.kill(actor.handle, no_restart=True)

    def _give(self, actor: _Hired, given: _Given) -> None:
        actor.hands[actor.handle.do.remote(given.job)] = given

    def _hand_out(self, waiting: Iterator[Job[Any]], again: deque[_Given], gpu: bool) -> None:
        """Give jobs to those who have the fewest; one that is to be done alone to somebody without any."""
        free = [actor for actor in self._actors if actor.gpu == gpu and self._works(actor)]
        for had in range(_IN_HAND):
            for actor in free:
                if len(actor.hands) != had or any(given.alone for given in actor.hands.values()):
                    continue
                if not again:
                    again.extend(_Given(job) for job in islice(waiting, 1))
                if not again or (had and again[0].alone):
                    return
                self._give(actor, again.popleft())

    def _works(self, actor: _Hired) -> bool:
        return actor.site is not None and actor.site.node not in self._idle_nodes

    def _news(self) -> _News:
        """Wait until something has happened."""
        if self._raised:
            raise_here(self._raised[0])
        by_answer = {answer: actor for actor in self._actors for answer in actor.hands}
        by_answer |= {actor.arriving: actor for actor in self._actors if actor.arriving is not None}
        ready, _ = ray.wait(list(by_answer), num_returns=1, timeout=1.0)
        if ready:
            ready, _ = ray.wait(list(by_answer), num_returns=len(by_answer), timeout=0)
        news = _News()
        for answer in ready:
            actor = by_answer[answer]
            if actor not in self._actors or answer not in (actor.arriving, *actor.hands):
                continue  # lost by another answer
            try:
                value = ray.get(answer)
            except RayTaskError as error:
                raise error.as_instanceof_cause() from None
            except RayError as error:
                self._bury(actor, error, news)
                continue
            if answer == actor.arriving:
                self._arrived(actor, value, news)
                continue
            given = actor.hands.pop(answer)
            if not isinstance(value, Raised):
                news.answers.append((actor, given, value))
            elif type(value.error) is RunError:
                actor.hands[answer] = given
                self._bench(actor, value.error, news)
            else:
                self._raised.append(value)  # once the others' answers are durable
        self._tell_if_alone()
        return news

    def _arrived(self, actor: _Hired, site: Site | Raised, news: _News) -> None:
        if isinstance(site, Raised):
            raise_here(site)
        site.require_same(self._here)
        if site.processor != self._here.processor and not self._told_processors:
            self._told_processors = True
            self._say(f"note: another processor on {site.host} may round the last bit otherwise")
        self._failed_starts = 0
        actor.arriving, actor.site = None, site
        if self._works(actor) and not actor.hands:
            news.arrived.append(actor)

    def _bury(self, actor: _Hired, error: RayError, news: _News) -> None:
        """Take out an actor that is lost."""
        self._let_go(actor)
        had = list(actor.hands.values())
        if actor.site is None:
            self._failed_starts += 1
            if self._failed_starts == _STARTS and not any(other.ready for other in self._actors):
                raise RunError(
                    "no worker can start on the cluster",
                    got=plain_words(error),
                    wanted="this package and its dependencies on every node",
                    where=self._options.address,
                    fix="sparkle --version on each node; then run the same command again",
                )
        else:
            lost = f"a worker on {actor.site.host} is lost ({type(error).__name__})"
            self._say(f"{lost}: others do its {count_text(len(had), 'job')}")
        preempted = isinstance(error, ActorDiedError) and error.preempted
        news.lost.append((actor, had, isinstance(error, RayActorError) and not preempted))
        self._hire(gpu=actor.gpu)

    def _bench(self, actor: _Hired, error: RunError, news: _News) -> None:
        """Give a node no more jobs; its actors stay, so that no new one begins there."""
        assert actor.site is not None  # noqa: S101
        self._idle_nodes[actor.site.node] = error
        if len(self._idle_nodes) >= _NODES or not any(
            self._works(other) or not other.ready for other in self._actors
        ):
            raise error
        self._say(f"{actor.site.host} gets no more work: {error.problem}: {error.got}")
        for other in [other for other in self._actors if other.site and other.site.node == actor.site.node]:
            news.lost.append((other, list(other.hands.values()), False))
            other.hands = {}

    def _tell_if_alone(self) -> None:
        now = time.monotonic()
        if any(map(self._works, self._actors)):
            self._somebody, self._told_alone = now, False
            return
        alone = now - self._somebody
        if self._idle_nodes and (alone > _ARRIVING or all(actor.ready for actor in self._actors)):
            raise next(iter(self._idle_nodes.values()))
        if alone > _ALONE and not self._told_alone:
            self._say("no worker is there: waiting for the cluster to have a free CPU or GPU")
            self._told_alone = True


@contextmanager
def _connected(address: str) -> Iterator[None]:
    """Be the driver of a cluster; raises as `connect` does."""
    # Ray prints there what befalls its nodes, and a command's answer is to be alone.
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        connect(address)
        try:
            yield
        finally:
            ray.shutdown()


def connect(address: str) -> None:
    """Connect this process, as the driver, to a cluster.

    Raises:
        RunError: there is none, it is one of another version, or the address is one of Ray's client.
    """
    named = os.environ.get("RAY_ADDRESS", "") if address == "auto" else address
    if named.startswith("ray://"):
        raise RunError(
            "a run is driven on a node of the cluster, not through Ray's client",
            got=named,
            wanted="auto, or the address of the head such as 10.0.0.1:6379",
            fix="run the same command on a node of the cluster, with --address auto",
        )
    try:
        host, _, port = named.rpartition(":")
        if host and port.isdecimal():  # Ray itself would try for two minutes
            socket.create_connection((host, int(port)), _PATIENCE).close()
        ray.init(address, log_to_driver=False, logging_level="ERROR")
    except (OSError, OverflowError, ValueError, RuntimeError) as error:  # Overflow: of a port
        other = "ersion mismatch" in str(error)
        raise RunError(
            "the cluster has another version" if other else "there is no Ray cluster",
            got=plain_words(error),
            wanted=f"Ray {ray.__version__}, Python {platform.python_version()}" if other else None,
            where=address,
            fix="install the same environment on every node"
            if other
            else "start one: ray start --head; or leave --executor ray away",
        ) from None


@contextmanager
def ask_nodes(address: str) -> Iterator[Callable[[Callable[[], NodeView]], list[Node]]]:
    """Connect to a cluster; yield what has each of its nodes answer a question.

    Raises:
        RunError: there is no such cluster; see `connect`.
    """
    with _connected(address):
        yield _ask


def _ask(question: Callable[[], NodeView]) -> list[Node]:
    asked = {}
    for node in ray.nodes():
        if node["Alive"]:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            asking = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=there)(caught)
            asked[asking.remote(question)] = node
    answered, _ = ray.wait(list(asked), num_returns=len(asked), timeout=_ANSWERED)
    found = [_node(node, answer, answer in answered) for answer, node in asked.items()]
    return sorted(found, key=lambda node: (node.name, node.address))


def _node(told: dict[str, Any], answer: Any, answered: bool) -> Node:
    has = told["Resources"]
    view, error = None, f"no answer within {_ANSWERED:.0f} s"
    if answered:
        try:
            said = ray.get(answer)
            view, error = (None, plain_words(said.error)) if isinstance(said, Raised) else (said, "")
        except RayError as failed:  # not even the question could be understood
            error = plain_words(failed).rpartition("Error: ")[2] or plain_words(failed)
    address = f"{told['NodeManagerAddress']}:{told['NodeManagerPort']}"
    return Node(
        told["NodeManagerHostname"], address, int(has.get("CPU", 0)), int(has.get("GPU", 0)), view, error
    )
