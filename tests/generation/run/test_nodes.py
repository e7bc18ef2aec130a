"""A look at a cluster before a run: `sparkle cluster`."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from importlib import resources

import pytest
from click.testing import CliRunner

from sparkle.commands import main
from sparkle.commands.generate import generate
from sparkle.generation.config import load_config
from sparkle.generation.run.cluster import read_cluster
from sparkle.generation.run.nodes import Node, check_cluster

pytest.importorskip("ray", reason="needs the extra ray: pip install 'sparkle-dataset[ray]'")

CLASSICAL = load_config("classical")


def node(name: str, view=None, error: str = "", gpus: int = 0) -> Node:
    return Node(name, "10.0.0.1:1", 4, gpus, view, error)


def test_nodes_that_fit_are_fine_and_nothing_is_left(tmp_path):
    run = tmp_path / "runs" / "new"
    report = check_cluster(lambda question: [node("a", question()), node("b", question())], CLASSICAL, run)
    assert report.troubles == ()
    assert all(node.view.versions == report.ours.versions for node in report.nodes)
    assert report.ours.free_bytes > 0
    assert {"numpy", "opencv", "python", "ray", "sparkle"} <= {*report.ours.versions}
    assert [*tmp_path.iterdir()] == []


def test_another_version_is_named_with_both(tmp_path):
    def ask(question):
        view = question()
        return [node("a", view), node("b", replace(view, versions={**view.versions, "numpy": "1.0"}))]

    [trouble] = check_cluster(ask, CLASSICAL, None).troubles
    assert trouble.node == "b"
    assert trouble.problem.startswith("other versions: numpy 1.0 (here ")
    assert "pip install" in trouble.fix


def test_a_folder_that_is_another_one_there_is_found(tmp_path):
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    run.mkdir()

    def ask(question):
        run.rename(elsewhere)  # as a node sees it that has mounted nothing there
        unmounted = question()
        run.mkdir()
        empty = question()
        run.rmdir()
        elsewhere.rename(run)
        return [node("a", unmounted), node("b", empty), node("c", question())]

    troubles = check_cluster(ask, CLASSICAL, run).troubles
    assert [trouble.node for trouble in troubles] == ["a", "b"]
    assert all("is not the same folder there" in trouble.problem for trouble in troubles)
    assert all(f"mount the disk of {run}" in trouble.fix for trouble in troubles)
    assert [*run.iterdir()] == []


def test_who_does_not_answer_or_lacks_a_package_is_named():
    def ask(question):
        return [node("a", error="no answer within 60 s"), node("b", replace(question(), missing="torch"))]

    troubles = check_cluster(ask, CLASSICAL, None).troubles
    assert [(trouble.node, trouble.problem) for trouble in troubles] == [
        ("a", "no answer within 60 s"),
        ("b", "torch is not installed there"),
    ]


def test_processors_and_gpus_that_differ_are_noted():
    def ask(question):
        view = question()
        other = replace(view, processor={"opencv-instructions": "SSE"}, gpus=(80 * 10**9,))
        return [node("a", replace(view, gpus=(141 * 10**9,))), node("b", other)]

    report = check_cluster(ask, CLASSICAL, None)
    assert report.troubles == ()
    assert [note.partition(" ")[0] for note in report.notes] == ["processors", "GPUs"]


# --- the command ------------------------------------------------------------------------------------


def sparkle(*words: object, expect: int):
    result = CliRunner().invoke(main, [*map(str, words)])
    assert result.exit_code == expect, result.output
    return result


@pytest.mark.parametrize("address", ["ray://127.0.0.1:10001", "127.0.0.1:9", "127.0.0.1:99999"])
def test_an_address_without_a_cluster_is_an_error(address):
    result = sparkle("cluster", "--address", address, expect=2)
    assert "Ray" in result.stderr
    assert "fix:" in result.stderr


# --- files to start from ----------------------------------------------------------------------------


def example(name: str) -> str:
    return sparkle("cluster", "--example", name, expect=0).stdout


def test_the_batch_script_is_one_for_bash():
    checked = subprocess.run(["bash", "-n"], input=example("slurm"), text=True, check=False)
    assert checked.returncode == 0


@pytest.mark.parametrize("name", ["slurm", "kuberay"])
def test_their_command_is_one_that_there_is(name):
    text = example(name).replace("\\\n", " ")
    line = next(line for line in text.replace("\n    --", " --").splitlines() if "sparkle generate" in line)
    words = shlex.split(line.partition("sparkle generate")[2])
    with generate.make_context("generate", words) as context:
        assert context.params["executor"] == "ray"
        assert context.params["timings"] is not None


def test_the_job_for_kubernetes_is_yaml():
    yaml = pytest.importorskip("yaml")
    job = yaml.safe_load(example("kuberay"))
    assert job["kind"] == "RayJob"
    cluster = job["spec"]["rayClusterSpec"]
    [workers] = cluster["workerGroupSpecs"]
    [container] = workers["template"]["spec"]["containers"]
    [head] = cluster["headGroupSpec"]["template"]["spec"]["containers"]
    assert container["image"] == head["image"]
    assert container["volumeMounts"] == head["volumeMounts"]


def test_what_cluster_reads_is_read(tmp_path):
    path = tmp_path / "cluster.toml"
    path.write_text(example("workstation"))
    assert read_cluster(path)["keep_free"] == 50 * 10**9


def test_the_package_has_them_all():
    folder = resources.files("sparkle.configs").joinpath("cluster")
    assert {file.name for file in folder.iterdir()} == {"slurm.sbatch", "rayjob.yaml", "workstation.toml"}
