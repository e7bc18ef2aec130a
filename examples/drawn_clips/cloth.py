"""What subjects of drawn clips wear: bright, warm colours and woven patterns that make movement visible."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from drawn_clips.paint import Colour, Floats, Surface, lit, rgb

# (main, second) colours of cloth.
CLOTHS: tuple[tuple[Colour, Colour], ...] = (
    ((0.86, 0.20, 0.16), (0.99, 0.74, 0.30)),
    ((0.93, 0.55, 0.10), (0.55, 0.10, 0.24)),
    ((0.78, 0.14, 0.42), (1.00, 0.66, 0.40)),
    ((0.95, 0.76, 0.16), (0.80, 0.22, 0.14)),
)


def striped(main: Colour, second: Colour, turns: float, length: float) -> Surface:
    """Lit cloth with slanting stripes; `turns` radians of pattern a half width, `length` half widths long."""
    return _woven(main, second, length, lambda u, v: np.sin(turns * (v + 0.35 * u)))


def checked(main: Colour, second: Colour, turns: float, length: float) -> Surface:
    """Lit cloth with a plaid; arguments as `striped`."""
    return _woven(main, second, length, lambda u, v: np.maximum(np.sin(turns * u), np.sin(turns * v)) - 0.55)


def dotted(main: Colour, second: Colour, turns: float, length: float) -> Surface:
    """Lit cloth with dots; arguments as `striped`."""
    return _woven(main, second, length, lambda u, v: np.sin(turns * u) * np.sin(turns * v) - 0.35)


def _woven(
    main: Colour, second: Colour, length: float, pattern: Callable[[Floats, Floats], Floats]
) -> Surface:
    def surface(u: Floats, v: Floats, normal_x: Floats, normal_y: Floats) -> Floats:
        share = np.clip(0.5 + 4 * pattern(u, np.float32(length) * v), 0, 1)[..., None]
        cloth = rgb(main) + (rgb(second) - rgb(main)) * share
        return np.asarray(cloth * lit(normal_x, normal_y)[..., None], np.float32)

    return surface
