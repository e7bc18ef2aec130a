"""The card of an index, so that `load_dataset` reads its tables when it is a repository of its own."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from sparkle.builders.index.document import IndexDocument
from sparkle.schemas import layout


def index_card(index: IndexDocument, samples: Mapping[str, int]) -> str:
    """The card.

    Args:
        index: What the tables speak of.
        samples: How many samples each theme has.
    """
    tables = {theme: f"data/{theme}/*.parquet" for theme in samples}
    records = {theme: layout.records_parquet(theme) for theme in samples}
    head = {
        "pretty_name": "Index of background replacement pairs",
        "tags": ["video", "video-editing", "background-replacement", "instruction-guided-editing"],
        "configs": [
            _config("default", tables),
            *(_config(theme, {"train": path}) for theme, path in tables.items()),
            _config("records", records),
        ],
    }
    of = f"[{index.repo}]({index.repo}) at commit `{index.commit}`" if index.repo else f"`{index.target}`"
    rows = "".join(f"| `{theme}` | {count:,} |\n" for theme, count in samples.items())
    return (
        f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n"
        f"# Index of {index.target}\n\n"
        f"Tables of {of}: prompts, scores, frames and sizes of every pair, and for every artifact its tar, "
        f"offset, size and sha256. The videos stay where they are. `{layout.INDEX}` lists the tars that the "
        f"tables speak of, `{layout.IMPORT_REPORT}` what is not as the layout has it.\n\n"
        f"| theme | pairs |\n|---|---:|\n{rows}"
    )


def _config(name: str, files: Mapping[str, str]) -> dict[str, object]:
    splits = [{"split": split, "path": path} for split, path in files.items()]
    return {"config_name": name, "data_files": splits}
