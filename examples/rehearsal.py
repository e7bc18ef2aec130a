"""A rehearsal: a release goes to a hub of this machine, is read there with stock `datasets`, and is proved.

    python examples/rehearsal.py build/demo/release --out build/demo

- It starts `sparkle serve` on a free port, with its data in OUT/hub, and stops it at the end.
- It prints and runs the commands that you would type for the Hub itself; only `HF_ENDPOINT` and `HF_TOKEN`
  make the difference.
- Run it again, and it continues: what the hub has is not sent again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPO, TAG = "stdKonjac/Sparkle", "v1.0"
LOAD = """
from datasets import load_dataset

pairs = load_dataset({repo!r}, {theme!r}, split="train")
print(f"map-style: {{pairs.num_rows}} rows")
for row in load_dataset({repo!r}, {theme!r}, split="train", streaming=True).take(3):
    print(f"streamed:  {{row['task']}}  {{row['prompt'][:80]}}...")
"""


def main() -> None:
    """Run the rehearsal."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("release", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="Folder for the hub and its client.")
    options = parser.parse_args()
    rehearse(options.release, options.out)


def rehearse(release: Path, out: Path) -> None:
    """Publish a release to a hub of this machine, load it from there, verify it there."""
    with _hub(out / "hub", out / "hub_home") as environment:
        run(environment, "sparkle", "publish", release, REPO, "--tag", TAG)
        themes = sorted(path.name for path in (release / "data").iterdir())
        code = LOAD.format(repo=REPO, theme="location" if "location" in themes else themes[0])
        run(environment, "python", "-c", code)
        run(environment, "sparkle", "verify", f"{REPO}@{TAG}", "--sample", "1")


@contextmanager
def _hub(root: Path, home: Path) -> Iterator[dict[str, str]]:
    """Serve a hub; yields the environment in which a client takes it for the Hub."""
    # The client remembers what a hub has by its address, and this one has another port each time.
    shutil.rmtree(home, ignore_errors=True)
    words = ["serve", "--root", str(root), "--port", "0", "--reset-tokens", "--json"]
    print(f"\n$ sparkle {' '.join(words)} &", flush=True)
    with subprocess.Popen([_command("sparkle"), *words], stdout=subprocess.PIPE, text=True) as server:
        try:
            line = server.stdout.readline() if server.stdout else ""
            if not line:
                raise SystemExit("the hub did not start; see its message above")
            told = json.loads(line)
            print(f"export HF_ENDPOINT={told['url']} HF_TOKEN=...", flush=True)
            yield {
                **os.environ,
                "HF_ENDPOINT": told["url"],
                "HF_TOKEN": told["write_token"],
                "HF_HOME": str(home),
                "HF_HUB_DISABLE_TELEMETRY": "1",
                "HF_HUB_DISABLE_PROGRESS_BARS": "1",
                "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
            }
        finally:
            server.terminate()


def run(environment: dict[str, str], command: str, *words: str | Path) -> None:
    """Print a command and run it; its exit code ends this program unless it is 0."""
    line = [str(word) for word in words]
    print(f"\n$ {' '.join((command, *line))}", flush=True)
    if code := subprocess.run([_command(command), *line], env=environment, check=False).returncode:
        raise SystemExit(code)


def _command(name: str) -> str:
    """A command of this Python's environment."""
    return str(Path(sys.executable).with_name(name))


if __name__ == "__main__":
    main()
