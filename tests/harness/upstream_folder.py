"""A small folder in upstream's layout: tars by GNU tar, records in upstream's shapes, real media.

It has habits of upstream's that ours has not: owners and times in headers, pax headers, entries of folders.
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from sparkle.media.encode import VideoWriter
from sparkle.schemas import layout
from sparkle.schemas.ids import TAXONOMY_THEMES, edit_type, theme_of
from sparkle.schemas.layout import KINDS

IDS = (
    *(f"Sparkle_location_{index:06d}" for index in (0, 3, 9, 13)),
    *(f"Sparkle_openve3m_{index:06d}" for index in (6, 30)),
)
STRANGER = "Sparkle_location_000099"  # has media, but no part in the folder
THEMES = ("location", "openve3m")
LOOSE = 2  # first samples of a theme that also stand loose
PART = 2  # samples of a tar
CARD = "---\nlicense: cc-by-4.0\ntask_categories:\n- text-to-video\n---\n\n# Sparkle\n"
_COLUMNS = ("prompt", "src_video", "tgt_video", "task")


def ids_of(theme: str) -> list[str]:
    return [sample_id for sample_id in IDS if theme_of(sample_id) == theme]


def prompt_of(sample_id: str) -> str:
    return f'Shift the background of {sample_id} to a rooftop, with "city lights", at dusk.'


def write_folder(folder: Path, media: Path) -> None:
    """Write a folder whose media are those of a run-like folder."""
    folder.mkdir()
    (folder / layout.CARD).write_text(CARD)
    (folder / ".gitattributes").write_text("*.tar filter=lfs\n")
    for theme in THEMES:
        ids = ids_of(theme)
        write_csv(folder, theme, [row_of(sample_id) for sample_id in ids])
        for path, lines in lines_of(theme, ids).items():
            write_lines(folder / path, lines)
        for kind in KINDS:
            for part, first in enumerate(range(0, len(ids), PART)):
                members = [kind.member(sample_id) for sample_id in ids[first : first + PART]]
                pack(media, kind, members, folder / kind.shard(theme, part))
            for sample_id in ids[:LOOSE]:
                target = folder / kind.path(sample_id)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes((media / kind.path(sample_id)).read_bytes())


def pack(media: Path, kind: layout.Kind, members: Iterable[str], tar: Path) -> None:
    """Pack members as tar does when nobody tells it how."""
    tar.parent.mkdir(parents=True, exist_ok=True)
    root = media / layout.INTERMEDIATE if kind.intermediate else media
    form = "pax" if kind.intermediate else "gnu"
    subprocess.run(["tar", f"--format={form}", "-C", root, "-cf", tar, *members], check=True)


def row_of(sample_id: str) -> dict[str, str]:
    source, edited = layout.SOURCE_VIDEO.path(sample_id), layout.EDITED_VIDEO.path(sample_id)
    return dict(zip(_COLUMNS, (prompt_of(sample_id), source, edited, sample_id), strict=True))


def write_csv(folder: Path, theme: str, rows: list[dict[str, str]], **options: Any) -> None:
    path = folder / layout.prompts_csv(theme)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding=options.pop("encoding", "utf-8")) as file:
        writer = csv.DictWriter(file, options.pop("columns", _COLUMNS), **{"lineterminator": "\n"} | options)
        writer.writeheader()
        writer.writerows(rows)


def write_lines(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")


def lines_of(theme: str, ids: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Path -> the lines of each JSON lines file of a theme."""
    score = {
        "prompt_following": 9.7, "consistency": 8.8, "perceptual_quality": 8.5, "overall": 8.62887857991077,
        "SC_reasoning": "Followed.", "PQ_reasoning": "Realistic.",
    }  # fmt: skip
    frame = {
        "SC_score": 9.0, "PQ_score": 8.5, "O_score": 8.75, "SC_score_reasoning": "Yes.",
        "PQ_score_reasoning": "Natural.", "SC_raw_output": "...", "PQ_raw_output": "...",
    }  # fmt: skip
    box = {"bbox_2d": [447, 27, 765, 998], "label": "woman in brown hat"}
    ground = {
        "edit_type": edit_type(theme, grounding=True),
        "round1_labels": [box["label"]],
        "round1_objects": [box],
    }
    metadata = {"edit_type": edit_type(theme), "original_scene": "A cobblestone street."}
    if theme in TAXONOMY_THEMES:
        metadata["chosen_keyword"] = "urban: rooftop overlooking skyline"
    bodies: dict[str, dict[str, Any]] = {
        layout.metadata_jsonl(theme): {"metadata": metadata},
        layout.record_file(theme, "edit_score"): {"editscore": score},
        layout.record_file(theme, "remove_score"): {"editscore": score},
        layout.record_file(theme, "ground1"): ground,
        layout.record_file(theme, "ground2"): {**ground, "frame_objects": [[box], [{**box, "bbox_2d": []}]]},
        layout.record_file(theme, "video_score"): {"frame_indices": [1, 3, 5, 7], "editscore": [frame] * 4},
    }
    return {
        path: [{"id": sample_id, "prompt": prompt_of(sample_id), **body} for sample_id in ids]
        for path, body in bodies.items()
    }


def repack(folder: Path, media: Path, kind: layout.Kind, *words: str, part: int = 0) -> Path:
    """Pack a tar of location again, in another way."""
    ids = ids_of("location")[part * PART : (part + 1) * PART]
    tar = folder / kind.shard("location", part)
    root = media / layout.INTERMEDIATE if kind.intermediate else media
    subprocess.run(["tar", "-C", root, "-cf", tar, *words, *map(kind.member, ids)], check=True)
    return tar


def write_mp4(path: Path, *, frames: int, width: int = 64) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, width=width, height=48, fps=16) as writer:
        for index in range(frames):
            writer.write(np.full((48, width, 3), 8 * index, np.uint8))


def add_to_tar(tar: Path, name: str, data: bytes, *, replace: bool = False, kind: bytes = b"0") -> None:
    """Add a member at the end of a tar, or put it in the place of the one of that name."""
    members: list[tuple[str, bytes, bytes]] = []
    with tarfile.open(tar) as file:
        for info in file:
            stream = file.extractfile(info)
            members.append((info.name, stream.read() if stream else b"", info.type))
    if replace:
        members = [(name, data, kind) if member[0] == name else member for member in members]
    else:
        members.append((name, data, kind))
    with tarfile.open(tar, "w") as file:
        for member, content, member_type in members:
            info = tarfile.TarInfo(member)
            info.type, info.size, info.linkname = member_type, len(content), "elsewhere"
            file.addfile(info, io.BytesIO(content))


def rows_of(release: Path, theme: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(release / "data" / theme).to_pylist()
    return rows


def data_at(release: Path, row: dict[str, Any], kind: str) -> bytes:
    with (release / row[f"{kind}_shard"]).open("rb") as file:
        file.seek(row[f"{kind}_offset"])
        return file.read(row[f"{kind}_size"])


def extract(folder: Path, *, in_place: bool) -> None:
    """Extract every tar where it stands, or at the root, and remove it."""
    for tar in sorted(folder.rglob("*.tar")):
        target = tar.parent if in_place else folder
        subprocess.run(["tar", "-xf", tar, "-C", target], check=True)
        tar.unlink()
