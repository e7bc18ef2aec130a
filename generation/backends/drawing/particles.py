"""Things that drift through the air: snow, rain, petals, leaves, embers, ash, dust, fireflies, bubbles.

- Each kind is a row of `DRIFTS`; each is drawn at three depths: many, small and slow behind, a few large,
  fast and out of focus in front.
- A particle's place is a function of time alone: a straight path wrapped around a frame with a margin, plus
  a wobble, so nothing pops up and any time can be asked for.
- Solid particles are drawn on a premultiplied 8-bit canvas; glowing ones are added to the frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.generation.backends.drawing.canvas import Image
from sparkle.generation.backends.drawing.motion import vigour
from sparkle.generation.backends.drawing.noise import as_field
from sparkle.generation.backends.drawing.stage import Stage, over

MARGIN = 0.12  # of the frame's height: how far outside the frame particles turn around
NEAR_BLUR = 0.0045  # sigma over the frame's height: the nearest particles are out of focus
NEAR_OPACITY = 0.75  # and let more through
BITS = 4  # sub-pixel bits of the drawing coordinates
DEPTHS = ((0.62, 0.55, 0.6), (0.30, 1.0, 1.0), (0.08, 2.1, 1.7))  # share of the count, size, speed


@dataclass(frozen=True)
class Drift:
    """How one kind of particle looks and moves; lengths in frame heights, speeds a second at energy 0.5.

    Attributes:
        count: Particles in a 16:9 frame.
        radius: Size in the middle depth.
        fall: Downward speed; negative rises.
        carry: Sideways speed with the wind.
        wobble: Amplitude of the sideways wander.
        colours: 8-bit colours to choose from.
        opacity: Opacity, or added brightness when it glows.
        shape: disc, flake (a tumbling ellipse) or streak.
        glows: Whether it gives light.
        pulse: Depth of its own slow flicker.
    """

    count: int
    radius: float
    fall: float
    carry: float
    wobble: float
    colours: tuple[tuple[int, int, int], ...]
    opacity: float
    shape: str = "disc"
    glows: bool = False
    pulse: float = 0.0


DRIFTS: dict[str, Drift] = {
    "snow": Drift(620, 0.0042, 0.16, 0.05, 0.014, ((248, 250, 255),), 0.85),
    "rain": Drift(420, 0.0016, 1.5, 0.22, 0.0, ((190, 205, 225),), 0.34, "streak"),
    "petals": Drift(150, 0.0085, 0.085, 0.09, 0.030, ((255, 208, 220), (250, 180, 202), (255, 228, 234)),
                    0.95, "flake"),
    "leaves": Drift(80, 0.0120, 0.11, 0.10, 0.040, ((206, 112, 34), (222, 158, 50), (176, 66, 30)), 0.97,
                    "flake"),
    "embers": Drift(130, 0.0026, -0.10, 0.03, 0.028, ((255, 150, 50), (255, 110, 30), (255, 190, 90)), 1.1,
                    glows=True, pulse=0.5),
    "ash": Drift(150, 0.0040, -0.012, 0.055, 0.020, ((46, 40, 38), (70, 58, 50), (30, 28, 30)), 0.8, "flake"),
    "dust": Drift(170, 0.0026, -0.008, 0.014, 0.022, ((255, 236, 196), (255, 246, 222)), 0.42, glows=True,
                  pulse=0.7),
    "fireflies": Drift(70, 0.0036, -0.010, 0.010, 0.050, ((255, 232, 120), (210, 255, 140), (255, 244,
                       190)), 1.0, glows=True, pulse=1.0),
    "droplets": Drift(150, 0.0026, 0.03, 0.03, 0.012, ((235, 248, 255), (255, 250, 230)), 0.6, glows=True,
                      pulse=0.8),
    "bubbles": Drift(70, 0.0070, -0.13, 0.0, 0.012, ((190, 235, 245),), 0.40, "ring"),
}  # fmt: skip


class Particles:
    """One kind of particle, at three depths.

    Args:
        stage: The stage; draws from its random stream.
        kind: A key of `DRIFTS`.
    """

    def __init__(self, stage: Stage, kind: str) -> None:
        self._drift = drift = DRIFTS[kind]
        total = drift.count * (0.35 + 0.65 * stage.aspect / 1.78) * (0.75 + 0.5 * stage.spec.energy)
        heading = float(stage.rng.choice([-1.0, 1.0]))
        self._light = 1.0 if drift.glows else _daylight(stage)
        far, middle, near = (
            _Swarm(stage, drift, max(2, round(total * share)), size, speed, heading)
            for share, size, speed in DEPTHS
        )
        self._sharp, self._blurred = (far, middle), near
        self._sigma = NEAR_BLUR * stage.height

    def draw(self, frame: Image, t: float) -> None:
        """Draws every particle where it is at t."""
        canvas = np.zeros((*frame.shape[:2], 4), np.uint8)
        for swarm in self._sharp:
            swarm.mark(canvas, t)
        self._add(frame, canvas, self._drift.opacity)
        canvas = np.zeros_like(canvas)
        self._blurred.mark(canvas, t)
        soft = np.asarray(cv2.GaussianBlur(canvas, (0, 0), self._sigma), np.uint8)
        self._add(frame, soft, NEAR_OPACITY * self._drift.opacity)

    def _add(self, frame: Image, canvas: npt.NDArray[np.uint8], opacity: float) -> None:
        left, top, width, height = cv2.boundingRect(cv2.extractChannel(canvas, 3))
        if not width:
            return
        part = slice(top, top + height), slice(left, left + width)
        colour, cover = opacity * self._light / 255.0, opacity / 255.0
        gains = np.array([colour, colour, colour, cover])  # OpenCV's scalar
        layer = cv2.multiply(canvas[part], gains, dtype=cv2.CV_32F)
        if self._drift.glows:
            view = frame[part]
            cv2.add(view, cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB), dst=view)
        else:
            over(frame, as_field(layer), top, left)


class _Swarm:
    """The particles of one depth."""

    def __init__(
        self, stage: Stage, drift: Drift, count: int, size: float, speed: float, heading: float
    ) -> None:
        rng = stage.rng
        self._drift, self._thick = drift, 2 if size > 2 else 1
        self._unit = stage.height
        self._span = np.array([stage.aspect + 2 * MARGIN, 1.0 + 2 * MARGIN])
        self._start = rng.random((count, 2)) * self._span
        self._radius = np.maximum(drift.radius * size * rng.uniform(0.6, 1.4, count), 0.55 / stage.height)
        pace = speed * rng.uniform(0.7, 1.3, (count, 1))
        blow = vigour(stage.spec.energy)
        fall = drift.fall if drift.shape == "streak" else drift.fall * (0.6 + 0.4 * blow)
        self._velocity = pace * np.array([heading * drift.carry * blow, fall])
        self._wobble = drift.wobble * size**0.5 * rng.uniform(0.5, 1.5, count)
        self._rate = rng.uniform(0.8, 2.2, count) * (0.6 + 0.8 * stage.spec.energy)
        self._phase = rng.uniform(0, 2 * np.pi, count)
        self._colour = np.array(drift.colours)[rng.integers(0, len(drift.colours), count)]

    def mark(self, canvas: npt.NDArray[np.uint8], t: float) -> None:
        """Draws them on a premultiplied canvas where they are at t."""
        swing = self._rate * t + self._phase
        wander = self._wobble[:, None] * np.stack([np.sin(swing), 0.6 * np.cos(0.77 * swing + 1.0)], -1)
        place = np.mod(self._start + self._velocity * t, self._span) - MARGIN + wander
        pulse = 1.0 - self._drift.pulse * (0.5 - 0.5 * np.sin(1.3 * swing + 2.0 * self._phase))
        fixed = self._unit * (1 << BITS)
        centres = np.round(place * fixed - (1 << BITS) / 2).astype(int).tolist()
        radii = np.maximum(np.round(self._radius * fixed), 1).astype(int).tolist()
        inks = np.concatenate([self._colour, np.full((len(place), 1), 255)], 1) * pulse[:, None]
        colours = inks.astype(int).tolist()
        shape = self._drift.shape
        if shape == "streak":
            tails = np.round((place - 0.030 * self._velocity) * fixed).astype(int).tolist()
            for centre, tail, colour in zip(centres, tails, colours, strict=True):
                cv2.line(canvas, centre, tail, colour, self._thick, cv2.LINE_AA, BITS)
            return
        if shape == "flake":
            spin = np.degrees(self._phase + 0.8 * np.sin(0.9 * swing)).tolist()
            thin = (0.22 + 0.45 * np.abs(np.sin(1.1 * swing))).tolist()
            for centre, radius, colour, angle, part in zip(centres, radii, colours, spin, thin, strict=True):
                axes = (radius, max(8, int(radius * part)))
                cv2.ellipse(canvas, centre, axes, angle, 0.0, 360.0, colour, -1, cv2.LINE_AA, BITS)
            return
        thickness = 1 if shape == "ring" else -1
        for centre, radius, colour in zip(centres, radii, colours, strict=True):
            cv2.circle(canvas, centre, radius, colour, thickness, cv2.LINE_AA, BITS)


def _daylight(stage: Stage) -> float:
    """Brightness of the light that falls on solid particles."""
    light = float((stage.mood.ambient + 0.75 * stage.mood.key).max())
    return float(np.clip(light + 0.25 * stage.mood.lamps, 0.45, 1.0))


def falling(stage: Stage) -> list[Particles]:
    """The particles that the spec asks for."""
    return [Particles(stage, kind) for kind in stage.spec.particles]
