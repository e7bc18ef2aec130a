"""A page of a release on a Hub: the same as of the folder, without downloading the release."""

import json
import subprocess
import sys

import pytest

from harness import staging_server

pytestmark = pytest.mark.slow

HUB = [sys.executable, "-c", "from sparkle.commands import hub; hub()"]
UPLOAD = """
import sys
from huggingface_hub import HfApi
api = HfApi()
api.create_repo(sys.argv[1], repo_type="dataset")
api.upload_folder(repo_id=sys.argv[1], repo_type="dataset", folder_path=sys.argv[2])
"""


@pytest.fixture(scope="module")
def staged(built_release, tmp_path_factory):
    """A staging hub that holds the built release as me/pairs."""
    folder = tmp_path_factory.mktemp("staging")
    with staging_server.staging(folder / "root") as hub:
        hub.python(UPLOAD, folder / "home", "me/pairs", built_release)
        yield hub


def preview(hub, folder, *arguments):
    """Run the command as someone whose client has never seen the hub."""
    env = hub.env(folder / "home") | {"SPARKLE_CACHE": str(folder / "cache")}
    command = [*HUB, "preview", "me/pairs", "--out", str(folder / "page"), "--json", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=240)


def test_the_page_is_that_of_the_folder_and_a_rerun_asks_for_no_artifact(staged, built_page, tmp_path):
    result = preview(staged, tmp_path)
    assert result.returncode == 0, result.stderr
    found, wanted = (
        {path.relative_to(page).as_posix(): path.read_bytes() for path in page.rglob("*") if path.is_file()}
        for page in (tmp_path / "page", built_page)
    )
    name = "data/samples.js"
    assert found.pop(name) == wanted.pop(name).replace(b'"name":"release"', b'"name":"me/pairs"')
    assert found == wanted
    staged.reset_counters()
    again = preview(staged, tmp_path)
    assert json.loads(again.stdout)["made"] == 0
    assert staged.counters()["bytes_out"] < 100_000  # the manifest and what changed of the tables: nothing
