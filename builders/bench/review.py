"""The page on which people rate edits of a bench: six sliders, blind and shuffled, from the disk.

How it works
- Edits of one or several models stand in one order that the seed decides, under names that say nothing:
  neither page nor files tell whose an edit is. Who rates all of them rates all models alike.
- A slider has no value until it is moved: what was not rated is not saved, and nothing is rated by default.
- The page keeps what was rated in the browser, and saves it as a file of ratings (`sparkle.schemas.ratings`).
  It asks for nothing outside of its folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from sparkle._files import exclusive, link_or_copy, remove_leftovers, write_atomic
from sparkle._processes import useful_workers
from sparkle._progress import Progress, silent
from sparkle.builders.bench.folder import read_bench
from sparkle.builders.bench.pages import refuse_foreign
from sparkle.builders.bench.results import read_results
from sparkle.builders.release.manifest import list_files
from sparkle.schemas import layout
from sparkle.schemas.canonical import fingerprint, plain, sha256_bytes
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ratings import FORMAT, edit_token
from sparkle.schemas.rubric import Rubric
from sparkle.schemas.validate import Finding

INDEX, MEDIA, DATA = "index.html", "media", "edits.js"
_MARK = b'<meta name="generator" content="sparkle bench review">'
_PAGE = resources.files("sparkle.builders.bench").joinpath("review_page")


@dataclass(frozen=True)
class ReviewPage:
    """What became of a page.

    Attributes:
        edits: How many are to be rated.
        findings: What is wrong with results; an edit that cannot be judged is not on the page.
    """

    edits: int
    findings: tuple[Finding, ...]


def write_review(
    bench: Path,
    results: Mapping[str, Path],
    out: Path,
    *,
    rubric: Rubric,
    words: str,
    seed: int = 0,
    progress: Progress = silent,
) -> ReviewPage:
    """Write the page's folder, or bring one up to date.

    Args:
        bench: The bench's folder.
        results: Edits by model.
        out: The folder: new, empty, or of an earlier page.
        rubric: What is rated.
        words: What its scores mean.
        seed: Decides the order.
        progress: Told of edits looked at.

    Raises:
        ReleaseError: something cannot be read, no edit can be rated, or the folder has something else in it.
    """
    identity, items = read_bench(bench)
    sources = {name: bench / layout.bench_source(item.theme, name) for name, item in items.items()}
    workers = useful_workers(sum(path.stat().st_size for path in sources.values()))
    entries: dict[str, dict[str, str]] = {}
    files: dict[str, Path] = {}
    findings: list[Finding] = []
    for folder in results.values():
        found = read_results(bench, folder, items, workers=workers, progress=progress)
        findings += found.findings()
        for edit in found.edits.values():
            if edit.status != "ok":
                continue
            token = edit_token(identity.revision, edit.item.id, str(edit.sha256))
            source = f"{MEDIA}/{sha256_bytes(edit.item.id.encode())[:20]}-source.mp4"
            edited = f"{MEDIA}/{token}.mp4"
            files |= {source: sources[edit.item.id], edited: edit.path}
            entries[token] = {"edit": token, "prompt": edit.item.prompt, "source": source, "edited": edited}
    if not entries:
        raise ReleaseError("there is no edit that can be rated", where=", ".join(map(str, results.values())))
    order = sorted(entries, key=lambda token: sha256_bytes(f"{seed} {token}".encode()))
    document = {
        "format": FORMAT,
        "bench": identity.revision,
        "set": fingerprint(order)[:16],
        "rubric": plain(rubric),
        "words": words,
        "edits": [entries[token] for token in order],
    }
    refuse_foreign(out, _MARK, "a page of ratings")
    out.mkdir(parents=True, exist_ok=True)
    busy = ReleaseError("another process is writing this page", where=out, fix="wait for it to end")
    with exclusive(out, busy):
        remove_leftovers(out)
        for file in sorted(_PAGE.iterdir(), key=lambda file: file.name):
            write_atomic(out / (INDEX if file.name == INDEX else f"assets/{file.name}"), file.read_bytes())
        for name, path in sorted(files.items()):
            (out / name).unlink(missing_ok=True)
            link_or_copy(path, out / name)
        write_atomic(out / DATA, _script(document))
        for name in list_files(out):
            if name.startswith(f"{MEDIA}/") and name not in files:
                (out / name).unlink()
    return ReviewPage(len(order), tuple(findings))


def _script(document: Any) -> bytes:
    text = json.dumps(document, ensure_ascii=True).replace("<", "\\u003c")
    return f"window.REVIEW = {text};\n".encode()
