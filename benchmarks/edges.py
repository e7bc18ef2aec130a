"""Are the guidance edges as dense as the paper's, small on disk, and still there after decoding?

    python benchmarks/edges.py [--clips DIR] [--json]

Drawn clips, and with DIR its clips (clips.jsonl) too, go through the chain up to the edges. The edges are
computed again from the artifacts and compared with the decoded edge video.

JSON keys: `density_min`, `density_max` (share of edge pixels, mean over a clip), `mb_max` (megabytes of a
clip's edges), `recall_min` (share of the edge pixels that are above one half in the decoded video), `clips`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass
from itertools import chain as chained
from pathlib import Path

import numpy as np
from chain import Chain, Clip, drawn_clips, listed_clips, run_chain

from sparkle.generation.steps.canny import LINE_WIDTH, EdgeThresholds, decoupled_edges, edge_view
from sparkle.media.decode import iter_frames
from sparkle.media.frames import resize
from sparkle.media.mask import load_mask
from sparkle.schemas import layout
from sparkle.schemas.records import EdgesRecord

NOT_NEEDED = frozenset(
    {"flow", "camera", "edit_score", "remove_score", "synthesize", "video_score", "measure"}
)


@dataclass(frozen=True)
class Figures:
    """What is measured on one clip."""

    density: float
    mb: float
    recall: float


def measure(clip: Clip, chain: Chain) -> Figures:
    """Compares a clip's edges with their encoding."""

    def path(kind: layout.Kind) -> Path:
        return chain.run / kind.path(clip.id)

    record = chain.records["edges"]
    assert isinstance(record, EdgesRecord)
    thresholds = EdgeThresholds(record.foreground_threshold, record.background_threshold)
    masks = load_mask(path(layout.SOURCE_VIDEO_MASK))
    _, height, width = masks.shape
    masks = resize(masks, (width // LINE_WIDTH, height // LINE_WIDTH))
    kinds = (layout.SOURCE_VIDEO, layout.BACKGROUND_VIDEO, layout.VIDEO_CANNY)
    kept = total = 0
    for source, background, decoded, mask in zip(
        *(iter_frames(path(kind)) for kind in kinds), masks, strict=True
    ):
        edges = decoupled_edges(edge_view(source), edge_view(background), mask, thresholds) > 0
        kept += int(np.count_nonzero(decoded[..., 1][edges] > 127))
        total += int(np.count_nonzero(edges))
    return Figures(record.density, path(layout.VIDEO_CANNY).stat().st_size / 1e6, kept / max(total, 1))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, help="A folder of clips, measured beside the drawn ones.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    options = parser.parse_args()
    rows: list[Figures] = []
    with tempfile.TemporaryDirectory() as folder:
        listed = listed_clips(options.clips) if options.clips else iter(())
        for number, clip in enumerate(chained(drawn_clips(Path(folder)), listed)):
            rows.append(measure(clip, run_chain(clip, Path(folder) / f"run{number}", leave_out=NOT_NEEDED)))
            if not options.json:
                print(
                    f"{clip.id:28}",
                    "  ".join(f"{k} {v:.4f}" for k, v in asdict(rows[-1]).items()),
                    flush=True,
                )
    figures = {
        "density_min": min(row.density for row in rows),
        "density_max": max(row.density for row in rows),
        "mb_max": max(row.mb for row in rows),
        "recall_min": min(row.recall for row in rows),
    }
    rounded = {key: round(value, 4) for key, value in figures.items()}
    print(json.dumps({**rounded, "clips": len(rows)}) if options.json else rounded)


if __name__ == "__main__":
    main()
