"""Plots of `stats` for a card: funnel, scores, measures, scenes.

- Drawn with matplotlib's own renderer and the fonts that come with it, nothing written into the PNG but
  pixels: the same numbers and versions give the same bytes.
- matplotlib comes with the extra `plots`; whoever builds without plots does not need it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sparkle._extras import install
from sparkle.builders.cards.stats import Distribution, Stats
from sparkle.builders.release.sample import SCORES
from sparkle.schemas.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches and dots an inch: a card's column is some 900 pixels wide, shown at half size on a fine screen.
_WIDTH, _DPI = 9.0, 160
_MOST_SUBTHEMES = 30  # bars that can be read; the rest is one bar

# A theme's colour is its own in every plot (Okabe and Ito's palette: told apart by everyone).
_COLOURS = {
    "location": "#0072B2",
    "season": "#009E73",
    "time": "#E69F00",
    "style": "#CC79A7",
    "openve3m": "#56B4E9",
}
_INK, _PALE, _ACCENT, _LIMIT = "#24292f", "#d0d7de", "#0072B2", "#D55E00"
_STYLE: dict[Any, Any] = {
    "backend": "agg",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": _INK,
    "axes.edgecolor": _PALE,
    "axes.labelcolor": _INK,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": "#eaeef2",
    "figure.constrained_layout.use": True,
}

PLOTS = ("funnel.png", "scores.png", "measures.png", "scenes.png")  # in the order of a card


def draw_plots(stats: Stats) -> dict[str, bytes]:
    """The plots as PNG by file name; those that there is nothing to draw for are left out.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
    except ImportError:
        raise ConfigError(
            "plots need a package that is not installed",
            wanted="matplotlib",
            fix=install("plots"),
        ) from None
    scores = [found for found in stats.numbers if found.name in SCORES.values()]
    measures = [found for found in stats.numbers if found.name not in SCORES.values()]
    wanted: list[tuple[bool, Callable[[], Figure]]] = [
        (bool(stats.funnel), lambda: _funnel(stats)),
        (bool(scores), lambda: _distributions(scores)),
        (bool(measures), lambda: _distributions(measures)),
        (bool(stats.scenes), lambda: _scenes(stats)),
    ]
    with rc_context(rc=_STYLE):
        return {name: _png(draw()) for name, (there, draw) in zip(PLOTS, wanted, strict=True) if there}


def _figure(height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, facecolor="white")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.flat)


def _png(figure: Figure) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()


def _funnel(stats: Stats) -> Figure:
    """How many samples come to each step and how many go on."""
    rows = list(stats.funnel)
    figure, (axes,) = _figure(0.6 + 0.27 * len(rows))
    places = range(len(rows))
    axes.barh(places, [row["in"] for row in rows], color=_PALE, height=0.72, label="came to the step")
    axes.barh(places, [row["kept"] for row in rows], color=_ACCENT, height=0.72, label="went on")
    axes.set_yticks(places, [f"{row['step']}  {row['stage']}" for row in rows])
    axes.invert_yaxis()
    most = max(row["in"] for row in rows) or 1
    for place, row in zip(places, rows, strict=True):
        lost = row["in"] - row["kept"]
        text = f"{row['kept']:,}" + (f"  (-{lost:,})" if lost else "")
        axes.text(row["in"] + most * 0.008, place, text, va="center", fontsize=8)
    axes.set_xlim(0, most * 1.16)
    axes.locator_params("x", integer=True)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("samples")
    axes.set_title("Samples by step and stage")
    axes.grid(axis="x")
    axes.tick_params(length=0)
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderpad=0)
    return figure


def _distributions(found: Sequence[Distribution]) -> Figure:
    """A histogram each, with median and threshold."""
    columns = 3
    rows = -(-len(found) // columns)
    figure, panels = _figure(2.3 * rows, rows, columns)
    for panel in panels[len(found) :]:
        panel.set_visible(False)
    for axes, numbers in zip(panels, found, strict=False):
        axes.stairs(numbers.bins, numbers.edges, fill=True, color=_ACCENT)
        axes.axvline(numbers.median, color=_INK, linewidth=1)
        if numbers.threshold is not None and _near(numbers.threshold, numbers.edges):
            axes.axvline(numbers.threshold, color=_LIMIT, linewidth=1.2, linestyle=(0, (4, 2)))
        axes.set_title(numbers.name.replace("_", " "))
        axes.set_xlabel(_caption(numbers), fontsize=8)
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.locator_params("y", integer=True, nbins=5)
        axes.locator_params("x", nbins=4)
        axes.grid(axis="y")
        axes.tick_params(length=0, labelsize=8)
    return figure


def _near(threshold: float, edges: Sequence[float]) -> bool:
    """Whether a limit is close enough to what was measured to be shown on its axis."""
    margin = edges[-1] - edges[0]
    return edges[0] - margin <= threshold <= edges[-1] + margin


def _caption(numbers: Distribution) -> str:
    limit = ""
    if numbers.threshold is not None:
        hidden = "" if _near(numbers.threshold, numbers.edges) else " (off the scale)"
        limit = f", threshold {numbers.threshold:g}{hidden}"
    return f"n {numbers.count:,}, median {numbers.median:.3g}{limit}"


def _scenes(stats: Stats) -> Figure:
    """Pairs by subtheme, in the colour of their theme, with how many scenes they are of."""
    bars = sorted(_subthemes(stats), key=lambda bar: -bar[2])
    rest = bars[_MOST_SUBTHEMES:]
    bars = bars[:_MOST_SUBTHEMES]
    if rest:
        bars.append(
            ("", f"{len(rest)} more subthemes", sum(bar[2] for bar in rest), sum(bar[3] for bar in rest))
        )
    figure, (axes,) = _figure(0.9 + 0.24 * len(bars))
    places = range(len(bars))
    colours = [_COLOURS.get(theme, _PALE) for theme, *_ in bars]
    axes.barh(places, [pairs for _, _, pairs, _ in bars], color=colours, height=0.72)
    axes.set_yticks(places, [name for _, name, _, _ in bars])
    axes.invert_yaxis()
    most = max(pairs for _, _, pairs, _ in bars)
    for place, (_, _, pairs, scenes) in zip(places, bars, strict=True):
        plural = "s" if scenes > 1 else ""
        axes.text(
            pairs + most * 0.008, place, f"{pairs:,} in {scenes} scene{plural}", va="center", fontsize=8
        )
    axes.set_xlim(0, most * 1.2)
    axes.locator_params("x", integer=True)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("pairs")
    axes.set_title("Pairs by subtheme")
    axes.grid(axis="x")
    axes.tick_params(length=0)
    handles = [axes.barh([0], [0], color=_COLOURS[theme]) for theme in stats.scenes]
    axes.legend(
        handles,
        list(stats.scenes),
        frameon=False,
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=5,
        borderpad=0,
    )
    return figure


def _subthemes(stats: Stats) -> Iterator[tuple[str, str, int, int]]:
    """Yield (theme, subtheme, pairs, scenes)."""
    for theme, subthemes in stats.scenes.items():
        for subtheme, scenes in subthemes.items():
            yield theme, subtheme, sum(scenes.values()), len(scenes)
