"""A run on a Ray cluster of three nodes: the bytes of one worker, whatever dies, freezes or differs.

The nodes are processes of this machine, with a raylet each, and one logical CPU. Run by `make test-cluster`,
not beside other tests: a node that has no time to answer counts as lost.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drawn_clips.synthetic import draw_clip
from harness import ROOT, streamed
from harness.on_ray import FULL, IN_WORKERS, MOMENTS, WAS_FULL, Plan, start
from sparkle.generation.config import load_config
from sparkle.generation.run.cluster import ClusterOptions
from sparkle.generation.run.epoch import RunEpoch
from sparkle.schemas import layout

pytest.importorskip("ray", reason="needs the extra ray: pip install 'sparkle-dataset[ray]'")

from sparkle.generation.run.ray_executor import RayExecutor

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

NODES = 3
STORE = 80 * 2**20  # bytes, the least that Ray takes
HEALTH = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 6,  # a machine that is busy for some seconds loses no node
}
ODD = Path(__file__).parent / "odd_node"


class Nodes:
    """A cluster whose nodes die, and are replaced."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE}
        self._cluster = Cluster(
            initialize_head=True, connect=False, head_node_args={**head, "_system_config": HEALTH}
        )
        self._nodes: list[Any] = []
        self.heal()

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def add(self, gpus: int = 0, **env: str) -> None:
        """Add a node; one that is unlike the others by its environment, or by GPUs, which are but numbers."""
        paths = os.pathsep.join([str(ODD), os.environ["PYTHONPATH"]]) if env else os.environ["PYTHONPATH"]
        node = self._cluster.add_node(
            num_cpus=1, num_gpus=gpus, object_store_memory=STORE, env_vars={**env, "PYTHONPATH": paths}
        )
        node.odd = bool(env or gpus)
        self._nodes.append(node)

    def remove_all(self) -> None:
        """Be left with the head."""
        for node in self._nodes:
            self._remove(node)
        self._nodes = []

    def heal(self) -> None:
        """Have as many nodes again as there were, all alike."""
        alive = [node for node in self._nodes if self._lives(node) and not node.odd]
        for node in self._nodes:
            if node not in alive:
                self._remove(node)
        self._nodes = alive
        while len(self._nodes) < NODES:
            self.add()

    def close(self) -> None:
        """Stop everything."""
        self._cluster.shutdown()

    def _remove(self, node: Any) -> None:
        self._cluster.remove_node(node, allow_graceful=False)

    @staticmethod
    def _lives(node: Any) -> bool:
        process = node.all_processes["raylet"][0].process
        return process.poll() is None and state_of(process.pid) not in ("T", "Z")


def state_of(pid: int) -> str:
    """The state of a process, such as S, T (stopped) or Z; empty for none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="ray") as short:
        patch.setenv("RAY_TMPDIR", short)  # paths of its sockets must be short
        patch.setenv("RAY_AUTH_MODE", "disabled")  # else it makes a token in the user's home
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests")]))
        nodes = Nodes()
        yield nodes
        nodes.close()


@pytest.fixture
def nodes(cluster: Nodes) -> Nodes:
    cluster.heal()
    return cluster


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips that are kept, one whose camera moves, and what is no video."""
    folder = tmp_path_factory.mktemp("sources")
    for seed, camera in enumerate(("fixed", "fixed", "pan")):
        draw_clip(folder / f"{seed}.mp4", seed=seed, width=224, height=128, frames=17, camera=camera)
    (folder / "none.mp4").write_bytes(b"no video")
    return folder


THEMES = ("--theme", "location", "--theme", "season")


@pytest.fixture(scope="module")
def wanted(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one worker of this machine."""
    run = tmp_path_factory.mktemp("wanted") / "run"
    generate(sources, run, *THEMES, "--workers", 1)
    return run


@pytest.fixture(scope="module")
def wanted_two(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of the first two sources in one theme."""
    run = tmp_path_factory.mktemp("wanted_two") / "run"
    generate(sources, run, "--limit", 2, "--workers", 1)
    return run


def generate(sources: Path, out: Path, *words: object, expect: int = 0) -> dict[str, Any]:
    command = [sys.executable, "-m", "sparkle", "generate", "--sources", sources, "--out", out, *words]
    done = subprocess.run([*map(str, command), "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == expect, done.stderr
    return dict(json.loads(done.stdout))


def on_ray(nodes: Nodes, *more: object) -> tuple[object, ...]:
    return ("--executor", "ray", "--address", nodes.address, *more)


def assert_same(run: Path, wanted: Path) -> None:
    done = subprocess.run(["diff", "-r", run, wanted], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert not (run / layout.STAGING).exists()


def wait_for(true: Any) -> None:
    end = time.monotonic() + 120  # only ends a hang
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("schedule", ["by-step", "streaming"])
def test_the_run_has_the_bytes_of_one_worker(nodes, sources, wanted, tmp_path, schedule):
    said = generate(sources, tmp_path / "run", *THEMES, *on_ray(nodes, "--schedule", schedule))
    assert said["processed"] > 0
    assert_same(tmp_path / "run", wanted)


# At the how manieth: so that there is something before it and behind it.
COUNTS = {"in a step": 1, "artifact written": 5, "artifact placed": 4, "outcome appended": 9}


FAULTS = ("worker", "raylet", "frozen raylet", "driver")
# Of each moment and each fault one case is in `make test`, and all are in `make test-cluster`.
CASES = [
    pytest.param(moment, fault, marks=() if row == column else pytest.mark.matrix)
    for row, moment in enumerate(MOMENTS)
    for column, fault in enumerate(FAULTS)
]


@pytest.mark.parametrize(("moment", "fault"), CASES)
def test_a_kill_changes_no_byte(nodes, sources, wanted_two, tmp_path, moment, fault):
    streaming = list(MOMENTS).index(moment) % 2 != FAULTS.index(fault) // 2  # half of the cases
    words = on_ray(nodes, "--schedule", "streaming" if streaming else "by-step")
    run, plan = tmp_path / "run", Plan(str(tmp_path / "plan"), moment, COUNTS[moment], fault)
    driver = start(plan, "--sources", sources, "--out", run, "--limit", 2, *words)
    _, told = driver.communicate(timeout=900)
    if fault == "driver":
        assert driver.returncode == -signal.SIGKILL, told
        assert (run / layout.STAGING).exists()
        copy = Path(shutil.copytree(run, tmp_path / "copy"))
        for folder, more in ((run, words), (copy, ("--workers", 2))):
            assert generate(sources, folder, "--limit", 2, *more)["processed"] > 0
            assert_same(folder, wanted_two)
    else:
        assert driver.returncode == 0, told
        assert "is lost" in told or fault != "worker" or moment not in IN_WORKERS  # who had nothing in hand
        assert_same(run, wanted_two)


def test_a_worker_that_wakes_late_changes_nothing(nodes, sources, wanted_two, tmp_path):
    run = tmp_path / "run"
    plan = Plan(str(tmp_path / "plan"), "artifact written", 3, "frozen node")
    driver = start(plan, "--sources", sources, "--out", run, "--limit", 2, *on_ray(nodes))
    _, told = driver.communicate(timeout=900)
    assert driver.returncode == 0, told
    assert_same(run, wanted_two)
    worker, _ = map(int, Path(plan.folder, "victims").read_text().split())
    assert state_of(worker) == "T"
    os.kill(worker, signal.SIGCONT)
    wait_for(Path(plan.folder, f"ended-{worker}").exists)  # it has done what it was at
    assert_same(run, wanted_two)
    os.kill(worker, signal.SIGKILL)


@pytest.mark.parametrize("schedule", ["by-step", "streaming"])
def test_a_sample_that_kills_its_workers_fails_alone_and_is_tried_again(
    nodes, sources, wanted_two, tmp_path, schedule
):
    run = tmp_path / "run"
    words = on_ray(nodes, "--schedule", schedule)
    plan = Plan(str(tmp_path / "plan"), "in a step", 0, "poison")
    driver = start(plan, "--sources", sources, "--out", run, "--limit", 2, *words, "--json")
    out, told = driver.communicate(timeout=900)
    assert driver.returncode == 0, told
    said = json.loads(out)
    assert said["funnel"]["kept"] == 1
    [failure] = said["failures"]
    assert "Sparkle_location_000001" in failure
    assert "its worker died" in failure
    outcomes = (run / layout.outcomes("compose")).read_text()
    assert "WorkerLostError" in outcomes
    assert generate(sources, run, "--limit", 2, *words)["funnel"]["kept"] == 2
    assert_same(run, wanted_two)


def test_a_bug_stops_the_run_and_says_where_it_was(nodes, sources, tmp_path):
    plan = Plan(str(tmp_path / "plan"), "in a step", 1, "bug")
    words = ("--sources", sources, "--out", tmp_path / "run", "--limit", 1, *on_ray(nodes))
    driver = start(plan, *words, "--verbose")
    _, told = driver.communicate(timeout=900)
    assert driver.returncode == 2
    assert "a bug" in told
    assert "in track of Sparkle_location_000000, source" in told


def test_a_full_disk_on_one_node_costs_that_node(nodes, sources, wanted, tmp_path):
    nodes.remove_all()
    nodes.add(**{FULL: "1"})
    plan = Plan(str(tmp_path / "plan"), "in a step", 0, "none")
    nodes.add(SPARKLE_TEST_LATE=str(Path(plan.folder, WAS_FULL)))  # it is there when the first one has failed
    words = ("--sources", sources, "--out", tmp_path / "run", *THEMES)
    driver = start(plan, *words, *on_ray(nodes))
    _, told = driver.communicate(timeout=900)
    assert driver.returncode == 0, told
    assert "gets no more work: the machine could not do" in told
    assert_same(tmp_path / "run", wanted)


def test_a_full_disk_everywhere_stops_the_run(nodes, sources, tmp_path):
    nodes.remove_all()
    for _ in range(2):
        nodes.add(**{FULL: "1"})
    plan = Plan(str(tmp_path / "plan"), "in a step", 0, "none")
    words = ("--sources", sources, "--out", tmp_path / "run", "--limit", 2)
    driver = start(plan, *words, *on_ray(nodes))
    _, told = driver.communicate(timeout=900)
    assert driver.returncode == 2
    assert "the machine could not do normalise" in told
    assert not (tmp_path / "run" / layout.STAGING).exists()


def test_a_node_with_other_libraries_is_refused(nodes, sources, tmp_path):
    nodes.add(SPARKLE_TEST_OTHER_NUMPY="1")
    said = generate(sources, tmp_path / "run", *on_ray(nodes), expect=2)["error"]
    assert said["problem"] == "a node has another version than the driver"
    assert said["got"] == "numpy 2.0.0"
    assert said["wanted"].startswith("numpy ")
    assert said["where"].startswith("node ")


def test_a_node_that_sees_another_run_folder_is_refused(nodes, sources, tmp_path):
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may mount nothing")
    nodes.add(SPARKLE_TEST_OTHER_DISK=str(tmp_path))
    said = generate(sources, tmp_path / "run", *on_ray(nodes), expect=2)["error"]
    assert said["problem"] == "the run folder is not the same folder on every node"
    assert said["got"] == "no epoch there"
    assert str(tmp_path / "run") in said["where"]


def test_gpus_keep_their_models_and_one_that_is_lost_is_replaced(nodes, tmp_path):
    nodes.add(gpus=streamed.GPUS)
    told: list[str] = []
    epoch = RunEpoch(tmp_path)
    options = ClusterOptions(address=nodes.address)
    with RayExecutor(options, tmp_path, load_config(None), 2, told.append) as executor:
        assert executor.gpus == streamed.GPUS
        streamed.stream(executor, 12, tmp_path / "died")
    epoch.close()
    assert [line for line in told if "is lost (ActorDiedError)" in line]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--address", "127.0.0.1:1"], "there is no Ray cluster"),
        (["--address", "ray://127.0.0.1:10001"], "a run is driven on a node of the cluster"),
        (["--config", "paper", "--set", "backends.tracker.device=cuda:1"], "a worker of a cluster sees one"),
    ],
)
def test_what_cannot_be_a_cluster_is_refused(sources, tmp_path, words, problem):
    said = generate(sources, tmp_path / "run", "--executor", "ray", *words, expect=2)["error"]
    assert said["problem"].startswith(problem)
    assert said["fix"]


def test_options_of_a_cluster_come_from_a_file(nodes, sources, wanted_two, tmp_path):
    file = tmp_path / "cluster.toml"
    file.write_text(f'address = "{nodes.address}"\nschedule = "streaming"\nwindow = 1\nkeep_free = "1GB"\n')
    generate(sources, tmp_path / "run", "--limit", 2, "--executor", "ray", "--cluster", file)
    assert_same(tmp_path / "run", wanted_two)
    file.write_text(f'address = "{nodes.address}"\nkeep_free = "9999TB"\n')
    said = generate(sources, tmp_path / "other", "--executor", "ray", "--cluster", file, expect=2)["error"]
    assert said["problem"] == "there is too little room for another sample"
    file.write_text('adress = "auto"\n')
    said = generate(sources, tmp_path / "other", "--executor", "ray", "--cluster", file, expect=2)["error"]
    assert (said["problem"], said["fix"]) == ("unknown key", "did you mean address?")
