"""The folder of a report: a page that opens from the disk, and its numbers as JSON, csv and LaTeX.

How it works
- The page asks for nothing outside of its folder and parses no HTML: words of models are shown as text.
- What it shows are the numbers of `report.json`. Words of judges are in chunks, read when a sample of theirs
  is opened.
- Files of verdicts are in it by their sha256, so that who reads a number can see what it is made of.
- With the bench and folders of results at hand, source and edits are in it as links or copies, and play in
  step.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from sparkle._files import exclusive, link_or_copy, remove_leftovers, write_atomic
from sparkle._folders import is_junk
from sparkle.builders.bench.report import Report
from sparkle.builders.bench.results import find_edit
from sparkle.builders.bench.tables import OVERALL, ModelTable
from sparkle.builders.release.formats import csv_line
from sparkle.builders.release.manifest import list_files
from sparkle.schemas import layout
from sparkle.schemas.canonical import dump_document, sha256_bytes
from sparkle.schemas.errors import ReleaseError

INDEX, REPORT = "index.html", "report.json"
DATA, VERDICTS, MEDIA = "data", "verdicts", "media"
CHUNK = 50  # samples whose words are read at once
_MARK = b'<meta name="generator" content="sparkle bench report">'
_PACKAGE = "sparkle.builders.bench"


def write_report(
    report: Report, out: Path, *, bench: Path | None = None, results: Mapping[str, Path] | None = None
) -> None:
    """Write a report's folder, or bring one up to date.

    Args:
        report: The report.
        out: The folder: new, empty, or of an earlier report.
        bench: The bench's folder, for its source videos.
        results: Folders of edits by model, as inference writes them:
            `<theme>/<subtheme>---<scene>/ID_edited.mp4`.

    Raises:
        ReleaseError: the folder has something else in it, or a model is not in the report.
    """
    known = {row.model for table in report.tables for row in table.rows}
    for model in results or {}:
        if model not in known:
            raise ReleaseError("no such model", got=model, wanted=f"one of {', '.join(sorted(known))}")
    refuse_foreign(out, _MARK, "a report")
    out.mkdir(parents=True, exist_ok=True)
    busy = ReleaseError("another process is writing this report", where=out, fix="wait for it to end")
    with exclusive(out, busy):
        remove_leftovers(out)
        for file in sorted(resources.files(_PACKAGE).joinpath("page").iterdir(), key=lambda file: file.name):
            write_atomic(out / (INDEX if file.name == INDEX else f"assets/{file.name}"), file.read_bytes())
        videos = _link_videos(report, out, bench, results or {})
        files = {
            REPORT: dump_document(report.document),
            "tables.csv": tables_csv(report.document).encode(),
            "pairs.csv": pairs_csv(report.document).encode(),
            "tables.tex": tables_tex(report.document).encode(),
            **_verdict_files(report),
            **_scripts(report, videos),
        }
        for name, data in files.items():
            write_atomic(out / name, data)
        keep = {*files, *videos.values()}
        for path in list_files(out):
            if path.startswith((f"{DATA}/", f"{VERDICTS}/", f"{MEDIA}/")) and path not in keep:
                (out / path).unlink()


def refuse_foreign(out: Path, mark: bytes, what: str) -> None:
    """Raise ReleaseError where a folder has something else in it than a page.

    Args:
        out: The folder.
        mark: What is in such a page's file.
        what: What it is of, such as "a report".
    """
    names = {path.name for path in out.iterdir()} if out.is_dir() else {out.name} if out.exists() else set()
    index = out / INDEX
    if {name for name in names if not is_junk(name)} and not (index.is_file() and mark in index.read_bytes()):
        raise ReleaseError(
            f"--out already contains files that do not belong to {what}",
            wanted=f"a new or empty folder, or {what} to bring up to date",
            where=out,
            fix="choose another --out",
        )


def _verdict_files(report: Report) -> dict[str, bytes]:
    """The files of verdicts as they were read, by their sha256."""
    rows = [row for table in report.tables for row in table.rows]
    return {verdict_path(row.file.sha256): row.file.data for row in rows}


def verdict_path(sha256: str) -> str:
    """Where a report has a file of verdicts."""
    return f"{VERDICTS}/{sha256}.jsonl"


# --- videos ----------------------------------------------------------------------------------------


def _link_videos(
    report: Report, out: Path, bench: Path | None, results: Mapping[str, Path]
) -> dict[tuple[str, str], str]:
    """Link or copy the videos that there are; gives their paths by model (none for the source) and id."""
    found: dict[tuple[str, str], Path] = {}
    for table in report.tables:
        for sample_id, place in table.places.items():
            if bench is not None:
                found["", sample_id] = bench / layout.bench_source(place.theme, sample_id)
            for model, folder in results.items():
                if (edit := find_edit(folder, place)) is not None:
                    found[model, sample_id] = edit
    names: dict[tuple[str, str], str] = {}
    for (model, sample_id), source in sorted(found.items()):
        if not source.is_file():
            continue  # whoever judged it has said so: its verdict is "missing"
        label = sha256_bytes(model.encode())[:12] if model else "source"
        name = f"{MEDIA}/{label}/{sha256_bytes(sample_id.encode())[:16]}.mp4"
        (out / name).unlink(missing_ok=True)
        link_or_copy(source, out / name)
        names[model, sample_id] = name
    return names


# --- scripts ---------------------------------------------------------------------------------------


def _scripts(report: Report, videos: Mapping[tuple[str, str], str]) -> dict[str, bytes]:
    """The page's data: the report, and for each sample where it belongs, its scores and its words."""
    samples = _samples(report.tables)
    files: dict[str, bytes] = {}
    for start in range(0, len(samples), CHUNK):
        words = [sample.pop("words") for sample in samples[start : start + CHUNK]]
        files[f"{DATA}/words-{start // CHUNK:04d}.js"] = _script("words", {"start": start, "words": words})
    by_id: dict[str, dict[str, str]] = {}
    for (model, sample_id), name in videos.items():
        by_id.setdefault(sample_id, {})[model] = name
    for sample in samples:
        if sample["id"] in by_id:
            sample["videos"] = by_id[sample["id"]]
    data = {"report": report.document, "samples": samples, "chunk": CHUNK}
    files[f"{DATA}/report.js"] = _script("report", data)
    return files


def _samples(tables: Sequence[ModelTable]) -> list[dict[str, Any]]:
    """Every sample, with what each judge said of each model's edit."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for table in tables:
        judge, revision = table.head.table(), table.head.bench.revision
        for sample_id in table.ids:
            place = table.places[sample_id]
            found.setdefault(
                (revision, sample_id),
                {
                    "id": sample_id,
                    "theme": place.theme,
                    "subtheme": place.subtheme,
                    "scene": place.scene,
                    "prompt": place.prompt or "",
                    "scores": {},
                    "words": [],
                },
            )
        for row in table.rows:
            for verdict in row.file.verdicts:
                sample = found[revision, verdict.id]
                told: dict[str, Any] = {"table": judge, "model": row.model, "status": verdict.status}
                for name in ("scores", "raw", "reason", "answer", "repairs", "measures"):
                    if (value := getattr(verdict, name)) is not None:
                        told[name] = value
                sample["words"].append(told | ({"repeat": verdict.repeat} if verdict.repeat > 1 else {}))
            for sample_id, scores in zip(table.ids, row.scores, strict=True):
                if scores[0] == scores[0]:  # not NaN
                    by_model = found[revision, sample_id]["scores"].setdefault(judge, {})
                    by_model[row.model] = round(float(scores[0]), 4)
    return list(found.values())


def _script(name: str, value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return f"BENCH.{name}({text});\n".encode()


# --- csv and LaTeX ---------------------------------------------------------------------------------


def tables_csv(document: Mapping[str, Any]) -> str:
    """One row per table, model and theme, and one for the macro: means, raw means, intervals, bounds."""
    lines = []
    head = ["judge", "bench", "rubric", "model", "theme", "n", "expected", "key", "mean", "raw"]
    lines.append(csv_line([*head, "low", "high", "least", "most", "calibrated"]))
    for table in document["tables"]:
        names = [table["judge"]["name"], table["bench"]["name"], table["rubric"]["name"]]
        for row in table["rows"]:
            macro = {
                "n": row["n"],
                "expected": row["expected"],
                "mean": row["macro"],
                "raw": row["macro_raw"],
                "interval": row["interval"],
                "bounds": row["bounds"],
                "calibrated": row.get("macro_calibrated"),
            }
            for theme, entry in [*row["themes"].items(), ("MACRO", macro)]:
                for key in table["keys"]:
                    numbers = [(entry.get(part) or {}).get(key) for part in ("mean", "raw")]
                    for part in ("interval", "bounds"):
                        numbers += (entry.get(part) or {}).get(key) or [None, None]
                    numbers.append((entry.get("calibrated") or {}).get(key))
                    place = [*names, row["model"], theme, str(entry["n"]), str(entry["expected"]), key]
                    lines.append(csv_line([*place, *map(_digits, numbers)]))
    return "".join(lines)


def pairs_csv(document: Mapping[str, Any]) -> str:
    """One row per pair of models."""
    columns = ["n", "difference", "low", "high", "standard_error", "wins", "ties", "losses", "superiority"]
    columns += ["p", "holm", "told_apart", "detectable"]
    lines = [csv_line(["judge", "bench", "rubric", "a", "b", *columns])]
    for table in document["tables"]:
        names = [table["judge"]["name"], table["bench"]["name"], table["rubric"]["name"]]
        for pair in table["pairs"]:
            low, high = pair["interval"] or (None, None)
            numbers = {**pair, "low": low, "high": high, "told_apart": int(pair["told_apart"])}
            lines.append(
                csv_line([*names, pair["a"], pair["b"], *(_digits(numbers[name]) for name in columns)])
            )
    return "".join(lines)


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


_TEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def _tex(text: str) -> str:
    return "".join(_TEX.get(sign, sign) for sign in text)


def tables_tex(document: Mapping[str, Any]) -> str:
    """A table per judge: macro means with half widths of their intervals; a partial row says so."""
    parts = []
    for table in document["tables"]:
        shorts = ["Overall", *(dimension["short"] for dimension in table["rubric"]["dimensions"])]
        lines = [
            f"% {table['bench']['name']}, judged by {table['judge']['name']}".replace("\n", " "),
            rf"\begin{{tabular}}{{l{'r' * len(shorts)}}}",
            " & ".join(["Model", *map(_tex, shorts)]) + r" \\ \hline",
        ]
        for row in sorted(table["rows"], key=_by_overall):
            name = _tex(row["model"])
            if row["macro"] is None:
                name += f" (partial, {row['n']}/{row['expected']})"
            cells = [_cell(row, key) for key in table["keys"]]
            lines.append(" & ".join([name, *cells]) + r" \\")
        parts.append("\n".join([*lines, r"\end{tabular}", ""]))
    return "\n".join(parts)


def _by_overall(row: Mapping[str, Any]) -> tuple[float, str]:
    overall = (row["macro"] or {}).get(OVERALL)
    return (float("inf") if overall is None else -overall), row["model"]


def _cell(row: Mapping[str, Any], key: str) -> str:
    if row["macro"] is None:
        low, high = row["bounds"][key]
        return "--" if low is None or high is None else f"{low:.2f}--{high:.2f}"
    if row["macro"][key] is None:
        return "--"
    text = f"{row['macro'][key]:.2f}"
    if row["interval"] and row["interval"][key][0] is not None:
        low, high = row["interval"][key]
        text += rf" {{\scriptsize $\pm${(high - low) / 2:.2f}}}"
    return text
