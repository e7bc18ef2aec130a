"""Which worker works on which GPU; the GPUs are names here, and no model is loaded."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from harness import ROOT, streamed
from sparkle.generation.backends.local_model import require_device
from sparkle.generation.config import load_config
from sparkle.generation.run.local import VISIBLE, LocalExecutor, visible_gpus
from sparkle.generation.steps import make_step
from sparkle.schemas.errors import ConfigError, RunError

CONFIGS = ROOT / "sparkle" / "configs"


@dataclass(frozen=True)
class WhereAmI:
    """A job that waits until so many workers have got one."""

    came: Path
    workers: int

    def __call__(self) -> tuple[int, str | None]:
        (self.came / str(os.getpid())).touch()
        end = time.monotonic() + 120
        while len(list(self.came.iterdir())) < self.workers:
            assert time.monotonic() < end, "the other workers never came"
            time.sleep(0.01)
        time.sleep(0.02)  # one worker too many would come now
        return os.getpid(), os.environ.get(VISIBLE)


@dataclass(frozen=True)
class Die:
    def __call__(self) -> None:
        os._exit(9)


def work(executor: LocalExecutor, workers: int, *, on_gpu: bool) -> set[tuple[int, str | None]]:
    """Where jobs are done that so many workers must share."""
    with TemporaryDirectory() as came:
        answers = executor.map([WhereAmI(Path(came), workers)] * 60, on_gpu=on_gpu)
        return {answer for ready in answers for answer in ready}


@pytest.mark.slow
def test_every_gpu_has_one_worker_that_sees_it_alone(monkeypatch):
    monkeypatch.setenv(VISIBLE, "GPU-a,GPU-b")
    with LocalExecutor(4) as executor:
        first = work(executor, 2, on_gpu=True)
        assert sorted(gpu for _, gpu in first) == ["GPU-a", "GPU-b"]
        assert len({pid for pid, _ in first}) == 2
        second = work(executor, 2, on_gpu=True)
    assert not {pid for pid, _ in first} & {pid for pid, _ in second}  # they ended with their step
    for pid, _ in first | second:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.slow
def test_streaming_samples_meet_each_model_on_a_gpu_that_holds_it(monkeypatch):
    monkeypatch.setenv(VISIBLE, "GPU-a,GPU-b,GPU-c")
    with LocalExecutor(2) as executor:
        streamed.stream(executor, 12)


@pytest.mark.slow
def test_a_gpu_whose_worker_dies_while_samples_stream_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv(VISIBLE, "GPU-a,GPU-b,GPU-c")
    with pytest.raises(RunError, match="worker process died"), LocalExecutor(2) as executor:
        streamed.stream(executor, 12, tmp_path / "died")


@pytest.mark.slow
def test_no_more_workers_than_are_asked_for(monkeypatch):
    monkeypatch.setenv(VISIBLE, "0,1,2,3")
    with LocalExecutor(2) as executor:
        assert {gpu for _, gpu in work(executor, 2, on_gpu=True)} == {"0", "1"}


@pytest.mark.parametrize("visible", ["GPU-a", ""])
def test_one_gpu_has_one_worker_that_sees_what_the_driver_sees(monkeypatch, visible):
    monkeypatch.setenv(VISIBLE, visible)
    with LocalExecutor(3) as executor:
        ((pid, seen),) = work(executor, 1, on_gpu=True)
    assert seen == visible
    assert pid != os.getpid()


def test_one_worker_works_in_this_process(monkeypatch):
    monkeypatch.setenv(VISIBLE, "0,1")
    with LocalExecutor(1) as executor:
        assert work(executor, 1, on_gpu=True) == {(os.getpid(), "0,1")}


@pytest.mark.slow
def test_steps_on_processors_have_all_the_workers(monkeypatch):
    monkeypatch.setenv(VISIBLE, "GPU-a")
    with LocalExecutor(2) as executor:
        assert len(work(executor, 2, on_gpu=False)) == 2
        assert len(work(executor, 1, on_gpu=True)) == 1
        assert len(work(executor, 2, on_gpu=False)) == 2


def test_a_worker_that_dies_is_an_error_and_leaves_nobody_behind(monkeypatch):
    monkeypatch.setenv(VISIBLE, "GPU-a,GPU-b")
    with pytest.raises(RunError, match="worker process died"), LocalExecutor(2) as executor:
        list(executor.map([Die()], on_gpu=True))


@pytest.mark.parametrize(
    ("variable", "names"),
    [("0", ("0",)), ("2,0", ("2", "0")), (" 1 , 3 ", ("1", "3")), ("", ()), ("-1", ()), ("0,-1,2", ("0",))],
)
def test_the_variable_is_read_as_cuda_reads_it(monkeypatch, variable, names):
    monkeypatch.setenv(VISIBLE, variable)
    assert visible_gpus() == names


def test_without_a_driver_there_are_none(monkeypatch, tmp_path):
    monkeypatch.delenv(VISIBLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus() == ()
    listing = tmp_path / "nvidia-smi"
    listing.write_text("#!/bin/sh\necho GPU-1\necho GPU-2\n")
    listing.chmod(0o755)
    assert visible_gpus() == ("GPU-1", "GPU-2")
    listing.write_text("#!/bin/sh\necho no driver\nexit 9\n")
    assert visible_gpus() == ()


def test_a_step_is_on_a_gpu_where_its_backend_loads_a_model_there():
    paper, classical = load_config(CONFIGS / "paper.toml"), load_config(None)
    assert make_step("track", paper).on_gpu
    assert not make_step("track", classical).on_gpu
    assert not make_step("edges", paper).on_gpu
    tables = {**paper.backends, "tracker": {**paper.backends["tracker"], "device": "cpu"}}
    assert not make_step("track", type(paper)(name="test", backends=tables)).on_gpu


@pytest.mark.parametrize(
    ("device", "seen", "fix"),
    [("cuda", 0, "cpu"), ("cuda:1", 1, "--workers 1"), ("cuda:8", 8, "--workers 1")],
)
def test_a_gpu_that_this_process_does_not_see_is_an_error(monkeypatch, device, seen, fix):
    torch = pytest.importorskip("torch", reason="needs the extra gpu: pip install 'sparkle-dataset[gpu]'")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: seen)
    with pytest.raises(ConfigError, match="no such device") as caught:
        require_device(device, table="[backends.tracker]")
    assert fix in caught.value.fix
    assert caught.value.where == "[backends.tracker]"


def test_devices_that_are_there_pass(monkeypatch):
    torch = pytest.importorskip("torch", reason="needs the extra gpu: pip install 'sparkle-dataset[gpu]'")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for device in ("cpu", "auto", "cuda", "cuda:0", "cuda:1"):
        require_device(device, table="[backends.tracker]")
