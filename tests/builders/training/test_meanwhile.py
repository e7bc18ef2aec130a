"""What happens to a release while it is read, and to those who read it."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import sparkle
from harness import factories
from sparkle.builders.building import build
from sparkle.builders.reading.folder import FolderPlace
from sparkle.builders.training.dataset import PairDataset
from sparkle.builders.training.export import export_pairs
from sparkle.builders.training.item import Clip
from sparkle.builders.training.kiwi import UnifiedDataset
from sparkle.builders.training.tensors import collate
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import KINDS

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")

CLIP = Clip(frames=5, multiple_of=2)
GONE, REPLACED = "the folder is gone since it was opened", "was replaced, or changed, since it was opened"


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two releases of the same name, without loose files."""
    found = []
    for count in (12, 9):
        folder = tmp_path_factory.mktemp("release")
        run = factories.write_run(folder / "run", factories.specs("location", count))
        found.append(build(run, folder / "release", preview=0).out)
    return found[0], found[1]


@pytest.fixture
def release(releases: tuple[Path, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(releases[0], tmp_path / "release"))


@pytest.fixture(params=["gone", "replaced"])
def change(request: pytest.FixtureRequest, release: Path, releases: tuple[Path, Path]):
    """What happens to the release, and what is said of it."""

    def change() -> None:
        shutil.rmtree(release)
        if request.param == "replaced":
            shutil.copytree(releases[1], release)

    return change, GONE if request.param == "gone" else REPLACED


def last(pairs: PairDataset) -> dict[str, object]:
    return dict(pairs[len(pairs) - 1])


def test_the_loader_says_it(release, change):
    change, said = change
    pairs = PairDataset(release, clip=CLIP)
    change()
    with pytest.raises(ReleaseError, match=said):
        last(pairs)


def test_what_was_opened_before_is_read_to_its_end(release, change):
    pairs = PairDataset(release, clip=CLIP)
    expected, _ = last(pairs), pairs[0]
    change[0]()
    assert torch.equal(last(pairs)["edited_video"], expected["edited_video"])


def test_a_stream_says_it(release, change):
    change, said = change
    pairs = sparkle.load(release, streaming=True)
    change()
    with pytest.raises(ReleaseError, match=said):
        next(iter(pairs))


def test_a_reader_of_files_says_it(release, change):
    change, said = change
    pairs, source = sparkle.open_pairs(release), sparkle.open_source(release)
    change()
    with pytest.raises(ReleaseError, match=said):
        source.read(pairs.artifact(0, sparkle.SOURCE_VIDEO))


def test_an_export_stops_instead_of_leaving_all_pairs_out(release, tmp_path):
    """It asks for room when it has chosen the pairs, and reads them then."""
    with pytest.raises(ReleaseError, match=GONE):
        export_pairs(release, "kiwi", tmp_path / "out", say=lambda text: shutil.rmtree(release))


def test_the_drop_in_does_not_skip_all_of_a_folder_that_is_gone(release):
    data = UnifiedDataset(
        base_path=release,
        metadata_path=release / layout.prompts_csv("location"),
        data_file_keys=["src_video", "tgt_video"],
        main_data_operator=UnifiedDataset.default_video_operator(release),
        on_error="skip",
    )
    assert len(data[0]["src_video"]) == factories.FRAMES
    data.main_data_operator = UnifiedDataset.default_video_operator(release)  # as a worker has it
    shutil.rmtree(release)
    with pytest.raises(ReleaseError, match=GONE):
        data[0]


def test_one_damaged_file_is_still_told_as_that(release):
    pairs = PairDataset(release, clip=CLIP)
    for kind in KINDS:
        for tar in release.glob(kind.shard("location", 0)):
            tar.unlink()
    with pytest.raises(ReleaseError, match="neither its tar nor a file of its own"):
        last(pairs)


def test_a_disk_that_fails_is_told_with_the_file():
    """A process's memory is a file that cannot be read at its beginning."""
    with pytest.raises(ReleaseError, match="a file cannot be read") as caught:
        list(FolderPlace(Path("/proc/self")).read("mem", 0, 8))
    assert (caught.value.got, caught.value.where) == (os.strerror(errno.EIO), "/proc/self mem")


# --- who reads --------------------------------------------------------------------------------


class Killed(torch.utils.data.Dataset):
    """A dataset whose worker is killed when it comes to a row."""

    def __init__(self, pairs: PairDataset, row: int) -> None:
        self.pairs, self.row = pairs, row

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, row: int):
        if row == self.row and torch.utils.data.get_worker_info() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.pairs[row]


def test_a_worker_that_is_killed_costs_no_sample(release):
    pairs = PairDataset(release, clip=CLIP)
    sampler = pairs.sampler(batch_size=2)
    order = [pairs.parts[0].ids[row] for row in pairs.order(batch_size=2).epoch(0).rows]
    state, used = sampler.state_at(0), []
    loader = torch.utils.data.DataLoader(
        Killed(pairs, pairs.parts[0].ids.index(order[5])),
        batch_sampler=sampler,
        collate_fn=collate,
        num_workers=2,
    )

    def train():
        nonlocal state
        for batch in loader:
            used.extend(batch["id"])
            state = sampler.state_after(batch)

    with pytest.raises((RuntimeError, EOFError, ConnectionError)):  # what docs/training.md says of torch
        train()
    assert len(used) < len(order)
    sampler.resume(state)
    rest = torch.utils.data.DataLoader(pairs, batch_sampler=sampler, collate_fn=collate, num_workers=1)
    assert used + [name for batch in rest for name in batch["id"]] == order


LOAD = """
import os, signal, sys
import sparkle

started = os.getpid()

def kill(event, words):
    if event == "open" and str(words[0]).endswith(".tar") and os.getpid() != started:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    sys.addaudithook(kill)
    try:
        sparkle.load(sys.argv[1], "location", num_proc=2, cache_dir=sys.argv[2])
    except sparkle.ReleaseError as error:
        print(error)
"""


def test_a_killed_process_that_copies_is_told(release, tmp_path):
    script = tmp_path / "load.py"
    script.write_text(LOAD)
    words = [sys.executable, script, release, tmp_path / "cache"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
    assert "a process that copies died" in done.stdout, done.stderr
    assert "fewer than num_proc=2" in done.stdout
