"""`sparkle cluster` at a real one, of two nodes; run by `make test-cluster`."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("ray", reason="needs the extra ray: pip install 'sparkle-dataset[ray]'")


@pytest.mark.slow
def test_a_cluster_of_two_nodes(tmp_path):
    script = (
        "import sys\n"
        "from ray.cluster_utils import Cluster\n"
        "cluster = Cluster(initialize_head=True, head_node_args={'num_cpus': 1, 'num_gpus': 0})\n"
        "cluster.add_node(num_cpus=2, num_gpus=3)\n"
        "print(cluster.address, flush=True)\n"
        "sys.stdin.read()\n"
        "cluster.shutdown()\n"
    )
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    )
    with process:
        address = process.stdout.readline().strip()
        result = subprocess.run(
            [sys.executable, "-m", "sparkle", "cluster", tmp_path / "run", "--address", address, "--json"],
            capture_output=True,
            env=environment,
            text=True,
            check=False,
        )
        process.stdin.close()
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert sorted((node["cpus"], node["gpus"]) for node in found["nodes"]) == [(1, 0), (2, 3)]
    assert all(node["view"]["versions"] == found["ours"]["versions"] for node in found["nodes"])
    assert all(node["view"]["free_bytes"] > 0 for node in found["nodes"])
    assert found["troubles"] == []
