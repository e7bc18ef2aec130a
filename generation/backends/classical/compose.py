"""Edit instructions from the taxonomy, without a model.

- `choose_scene` draws a scene, `compose_prompt` writes its instruction and `describe_frame` its
  `original_scene`: together what the paper's vision-language model does in the step `compose`.
- What it writes is drawn: it takes scenes that have a recipe, whose clauses each name the layer that shows
  them.
- The grammar: an opening verb phrase with the scene's setting, a telling (what the light does and one
  to three things that move, in one of several sentence forms), and in half of the prompts a closing.
  Manner and length are upstream's.
- Every draw comes from PCG64 over the seed, so the same scene and seed give the same text.
- `describe_frame` says only what pixels can show: brightness, contrast, colors, fine detail.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.generation.taxonomy import TaxonomyScene, load_taxonomy
from sparkle.media import Pixels
from sparkle.schemas.errors import ConfigError, MediaError

_Option = TypeVar("_Option")

MIN_PROMPT_LENGTH, MAX_PROMPT_LENGTH = 151, 466  # characters: the extremes of upstream's prompts

_OPENINGS = (
    "Shift the background to {setting}",
    "Change the background to {setting}",
    "Transform the background into {setting}",
    "Transform the setting into {setting}",
    "Turn the surroundings into {setting}",
    "Replace the background with {setting}",
    "Swap the background for {setting}",
    "Move the subject to {setting}",
    "Put the subject against {setting}",
    "Place the subject {place} {setting}",
    "Set the scene {place} {setting}",
)
# `_doing` are lists of participial clauses and `_does` of finite ones; `all` is light and motion
# together, in either order.
_TELLINGS = (
    ", where {all_does}",
    ", where {light_does}, with {moves_doing}",
    ", where {moves_does} as {light_does}",
    ", with {all_doing}",
    ", with {light_doing} while {moves_does}",
    ", with {moves_doing} as {light_does}",
    ", {all_doing}",
    ". Include {all_doing}",
    ". Add {moves_doing} while {light_does}",
    ". Show {all_doing}",
    ". The scene should include {all_doing}",
    ". In the background, {all_does}",
    ". {All_does}",
)
_CLOSINGS = (
    ", giving the scene depth and steady movement",
    ", so that the whole background feels alive",
    ". Keep the subject unchanged",
    ". Leave the subject and its motion untouched",
    ". The foreground stays exactly as it is",
    ". Everything in the foreground remains as filmed",
)
_MOST_MOVES = 3  # with one clause of light: upstream's prompts tell of two to four things
_MOST_DRAWS = 64  # measured: 96 draws of 100 fit, and 82 of the scene that fits least

_MEASURED_SIDE = 320  # pixels
# (bound, word of what lies below it). The inner bounds split the 24 first frames of the shared clips
# into groups of similar size; units are CIELAB's L in [0, 100] and chroma.
_BRIGHTNESS = (
    (20, "very dark"),
    (38, "dim"),
    (60, "moderately bright"),
    (78, "bright"),
    (np.inf, "very bright"),
)
_CONTRAST = ((20, "low-contrast"), (26, "medium-contrast"), (np.inf, "high-contrast"))
_SATURATION = ((26, "muted"), (np.inf, "vivid"))
_DETAIL = ((2, "little"), (3.5, "some"), (np.inf, "much"))
_CLEAR_SLOPE = 15.0  # in L, between the means of two halves
_NEUTRAL_CHROMA = 8.0  # below it a pixel has no hue that a person would name
_DARK_LIGHTNESS = 45.0  # below it oranges are browns
_NAMED_SHARE = 0.15  # of the frame, for a second color to be named
_NEUTRALS = ("blacks", "grays", "whites")  # by lightness: below 15, below 85, above
# (bound of the CIELAB hue in degrees, plural when bright, plural when dark): sRGB red lies at 40,
# yellow at 103, green at 136, cyan at 196, blue at 306 and magenta at 328.
_HUES = (
    (20, "pinks", "crimsons"),
    (50, "reds", "deep reds"),
    (80, "oranges", "browns"),
    (112, "yellows", "olives"),
    (165, "greens", "dark greens"),
    (230, "teals", "dark teals"),
    (312, "blues", "dark blues"),
    (335, "purples", "dark purples"),
    (360, "pinks", "crimsons"),
)


def choose_scene(theme: str, *, seed: int) -> TaxonomyScene:
    """Return a scene of a theme that a recipe draws: each subtheme equally likely, then each of its scenes.

    Args:
        theme: One of `TAXONOMY_THEMES`.
        seed: 0 or more.

    Raises:
        ConfigError: the theme has no scenes (`openve3m`), or is not one of `THEMES`.
    """
    scenes = [scene for scene in load_taxonomy().scenes(theme) if scene.is_drawn]
    if not scenes:
        raise ConfigError(
            "the theme has no taxonomy", got=theme, fix="give each of its candidates a prompt of its own"
        )
    rng = np.random.Generator(np.random.PCG64(seed))
    subtheme = _draw(rng, list(dict.fromkeys(scene.subtheme for scene in scenes)))
    return _draw(rng, [scene for scene in scenes if scene.subtheme == subtheme])


def compose_prompt(scene: TaxonomyScene, *, seed: int) -> str:
    """Return an edit instruction for a scene, of 151 to 466 characters.

    Args:
        scene: What the background becomes.
        seed: 0 or more; other seeds give other sentence forms, clauses and closings.

    Raises:
        ConfigError: the scene's words are too few or too many for that length.
    """
    rng = np.random.Generator(np.random.PCG64([seed, zlib.crc32(scene.keyword.encode())]))
    for _ in range(_MOST_DRAWS):
        prompt = _compose(scene, rng)
        if MIN_PROMPT_LENGTH <= len(prompt) <= MAX_PROMPT_LENGTH:
            return prompt
    raise ConfigError(
        "the scene does not make a prompt of upstream's length",
        got=f"{len(prompt)} characters in the last of {_MOST_DRAWS} attempts",
        wanted=f"{MIN_PROMPT_LENGTH} to {MAX_PROMPT_LENGTH}",
        where=f"{scene.theme}: {scene.keyword}",
    )


def _compose(scene: TaxonomyScene, rng: np.random.Generator) -> str:
    """Return one draw of opening, telling and closing, of any length."""
    opening = _draw(rng, _OPENINGS).format(setting=scene.setting, place=scene.place)
    has_with = " with " in opening  # a telling that starts with another "with" would trip over it
    telling = _draw(rng, [form for form in _TELLINGS if not (has_with and form.startswith(", with"))])
    closing = _draw(rng, _CLOSINGS) if rng.integers(2) else ""
    return f"{opening}{telling.format_map(_clause_lists(scene, rng))}{closing}."


def _clause_lists(scene: TaxonomyScene, rng: np.random.Generator) -> dict[str, str]:
    """Return the slots of a telling, filled with one clause of light and one to three of motion."""
    light = int(rng.integers(len(scene.light)))
    count = 1 + int(rng.integers(min(_MOST_MOVES, len(scene.moves))))
    moves = [int(index) for index in rng.permutation(len(scene.moves))[:count]]
    light_first = bool(rng.integers(2))
    lists = {}
    for form, lights, motions in (
        ("doing", scene.light, scene.moves),
        ("does", scene.light_finite, scene.moves_finite),
    ):
        of_light, of_motion = [lights[light]], [motions[index] for index in moves]
        lists[f"light_{form}"] = _listed(of_light)
        lists[f"moves_{form}"] = _listed(of_motion)
        lists[f"all_{form}"] = _listed(of_light + of_motion if light_first else of_motion + of_light)
    lists["All_does"] = lists["all_does"][0].upper() + lists["all_does"][1:]
    return lists


def _listed(clauses: Sequence[str]) -> str:
    """Return clauses as English lists them: `a`, `a and b`, `a, b, and c`."""
    if len(clauses) < 3:
        return " and ".join(clauses)
    return f"{', '.join(clauses[:-1])}, and {clauses[-1]}"


def _draw(rng: np.random.Generator, options: Sequence[_Option]) -> _Option:
    return options[int(rng.integers(len(options)))]


def describe_frame(frame: Pixels) -> str:
    """Return one sentence of what the pixels of a frame show: brightness, contrast, colors, fine detail.

    It names no content: nothing here has recognised any. Measured on the frame scaled to 320 pixels on
    its longer side, in CIELAB (L in [0, 100]).

    Args:
        frame: uint8 (H, W, 3), RGB.

    Raises:
        MediaError: not such a frame, or an empty one.
    """
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.size == 0:
        raise MediaError(
            "not a frame", got=f"{frame.dtype} {frame.shape}", wanted="uint8 (H, W, 3), not empty"
        )
    height, width = frame.shape[:2]
    scale = _MEASURED_SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    lab = cv2.cvtColor(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB)
    lightness = lab[..., 0].astype(np.float64) * (100 / 255)  # 8-bit CIELAB of OpenCV
    a_b = lab[..., 1:].astype(np.float64) - 128
    chroma, hue = np.hypot(a_b[..., 0], a_b[..., 1]), np.degrees(np.arctan2(a_b[..., 1], a_b[..., 0])) % 360
    return (
        f"A {_term(lightness.mean(), _BRIGHTNESS)}, {_term(lightness.std(), _CONTRAST)} scene in"
        f" {_colors(lightness, chroma, hue)} with {_term(_detail(lightness), _DETAIL)} fine"
        f" detail{_slope(lightness)}."
    )


def _term(value: float, terms: Sequence[tuple[float, str]]) -> str:
    """Return the word of the first bound that a value is below."""
    return next(word for bound, word in terms if value < bound)


def _detail(lightness: npt.NDArray[np.float64]) -> float:
    """Return the mean absolute difference of neighbouring pixels, in L."""
    steps = [np.abs(np.diff(lightness, axis=axis)) for axis in (0, 1)]
    return float(np.concatenate([step.ravel() for step in steps]).mean()) if lightness.size > 1 else 0.0


def _colors(
    lightness: npt.NDArray[np.float64], chroma: npt.NDArray[np.float64], hue: npt.NDArray[np.float64]
) -> str:
    """Return the one or two colors that cover most of a frame: "blacks and muted browns"."""
    neutral = np.select([lightness < 15, lightness < 85], _NEUTRALS[:2], _NEUTRALS[2])
    bounds, bright_names, dark_names = zip(*_HUES, strict=True)
    sector = np.searchsorted(np.array(bounds), hue, side="right")
    hued = np.where(lightness < _DARK_LIGHTNESS, np.array(dark_names)[sector], np.array(bright_names)[sector])
    has_hue = chroma >= _NEUTRAL_CHROMA
    found, counts = np.unique(np.where(has_hue, hued, neutral), return_counts=True)
    ranked = sorted(zip(counts.tolist(), found.tolist(), strict=True), key=lambda item: (-item[0], item[1]))
    names = [name for count, name in ranked[:2] if count >= _NAMED_SHARE * hue.size or name == ranked[0][1]]
    first_hued = next((index for index, name in enumerate(names) if name not in _NEUTRALS), None)
    if first_hued is not None:
        names[first_hued] = f"{_term(chroma[has_hue].mean(), _SATURATION)} {names[first_hued]}"
    return " and ".join(names)


def _slope(lightness: npt.NDArray[np.float64]) -> str:
    """Return the side toward which a frame is clearly brighter, as the end of the sentence; often empty."""
    if min(lightness.shape) < 2:
        return ""
    top, bottom = (half.mean() for half in np.array_split(lightness, 2, axis=0))
    left, right = (half.mean() for half in np.array_split(lightness, 2, axis=1))
    lead, side = max(
        (top - bottom, "top"), (bottom - top, "bottom"), (left - right, "left"), (right - left, "right")
    )
    return f", brighter toward the {side}" if lead >= _CLEAR_SLOPE else ""
