"""Background motion inside and outside what the prompt implies.

How it works
- The prompt names what is to move. A thing which moves by nature (waves, grass, clouds, rain, torches, a
  crowd) implies that its part of the picture moves, whether or not it says so: "a lakeside meadow" is no
  photograph. "A sea of lavender" is lavender: what is said to be made "of" something else is no water and no
  sky. A clause that asks for stillness ("a frozen lake", "the subject remains still", "no cars") implies
  nothing. Light and shadow on things are no things: sunbeams alone imply nothing, and snow only where it
  falls. What the vocabulary does not know implies nothing; its words come from the public Sparkle prompts and
  from our taxonomy, whose clauses of motion imply something nine times out of ten.
- Plants, water, sky and lights are found in the picture by their look, not by their motion: a part that
  stands still must be found as well as one that lives. A fixed camera's background is one picture: the mean
  of what is seen of it beside the subject over the clip. Plants have their colours and are textured, the sky
  is smooth and reaches the frame's top, water is bluish and below the sky, lights are brighter than their
  surroundings. These are priors, no recognition: a bluish wall by a lake counts as water, a brick wall as
  autumn. They are asked only for what the prompt names; a part that is hardly there is none.
- Inside is the motion where they are. Where the prompt implies only what fills the air or drifts through it,
  the whole background is inside.
- Outside is the rest, and asks for steady motion: a pixel counts where it changes in at least half of the
  pairs of frames, as a floor that swims or a wall that breathes does. Petals, birds and passers-by are soon
  elsewhere and do not count.
- Nothing is guessed. Where the prompt implies nothing that is known, both are None. Outside is None as well
  where something implied may be anywhere and stay there, or should have been found and was not.

Looked over by hand on the twelve shared edited clips, whose prompts name 17 such parts: all are found where
they are (some with a bench, a window or snow beside them), but of trees against the evening sky only some.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.media import Floats, Mask, Pixels
from sparkle.media.measures import background_changes
from sparkle.media.morphology import closed, dilate, disc

AUTUMN, BLOSSOM, FIXTURES, FOLIAGE, HAZE = "autumn", "blossom", "fixtures", "foliage", "haze"
LIGHTS, PARTICLES, PASSERS, SKY, WATER = "lights", "particles", "passers", "sky", "water"
IMPLIED_KINDS: Final = (AUTUMN, BLOSSOM, FIXTURES, FOLIAGE, HAZE, LIGHTS, PARTICLES, PASSERS, SKY, WATER)
"""What may be implied to move: plants in the colours of autumn, in bloom, or green (`foliage`); things that
may be anywhere and stay there (cloth, machines, crowds, traffic); what fills the air (mist, smoke, rain) and
what drifts through it (petals, embers, snowflakes); flames and lamps; who passes through the scene (people,
animals, vehicles); clouds and stars; water."""

_STILLNESS: Final = frozenset({"frozen", "motionless", "no", "static", "still", "stationary", "without"})

_FIGURATIVE: Final = {SKY, WATER}
"""Kinds whose names are said of other things: a wave of motion, a stream of people, a cloud of dust."""

# Base forms: "wave" also finds "waves", "branch" "branches", "firefly" "fireflies". A hyphen joins words that
# follow each other.
_TERMS: Final[dict[str, str]] = {
    AUTUMN: "autumn autumnal fall-colors fall-foliage fall-leaves maple scarlet-leaves yellow-leaves",
    BLOSSOM: "blossom cherry-tree magnolia sakura",
    FIXTURES: """
        awning banner bell carousel chain cloth cogwheel crane crowd curtain drape fabric fan flag flock
        herd hull laundry machinery mobile net pendulum pennant pennon piston planet poster rope
        saloon-doors shutter spider-web sprinkler swarm traffic turbine waterwheel weathervane wheel
        wind-pump windmill
    """,
    FOLIAGE: """
        bamboo barley bloom bougainvillea bough branch bush canopy cornfield crocus cypress fern fir
        flower foliage forest forested frond garden grapevine grass grassland grassy greenery grove heather
        hedge ivy jungle kelp leaf leafy leaves liana linden meadow orchard palm pine plant poplar
        poppy prairie rainforest reed rice savanna savannah seaweed shrub stalk sunflower tendril thicket
        tree treetop tulip twig undergrowth vegetation vine vineyard weed wheat wildflower willow woodland
        woods
    """,
    HAZE: """
        blizzard blowing-snow downpour drizzle dry-ice dust-storm fog foggy fume haze mist misty rain
        sandstorm smog smoke smoky snowstorm steam swirling-snow undersea underwater vapor vapour
        whirling-snow
    """,
    LIGHTS: """
        beacon bonfire bulb campfire candle candlelight fire firelight fireplace flame headlight hearth
        hologram lamp lamppost lantern lava neon streetlight torch torchlight
    """,
    PARTICLES: """
        ash blowing-sand bokeh bubble confetti debris dew drifting-snow droplet dust ember falling-snow
        fine-sand firefly fireworks flake gently-falling glint grit hoarfrost loose-snow midge mote particle
        petal plume pollen powder-snow raindrop snow-drifts snow-falling snow-falls snow-flies snow-streams
        snowfall snowflake soot spark spindrift spore spray will-o-the-wisp
    """,
    PASSERS: """
        airliner airplane airship balloon bat bather bee bicycle bird blackbird boat bumblebee buoy bus
        butterfly cab camel canoe car caravan cat citizen commuter convertible crab crow customer cyclist
        dancer deer dog dove dragon dragonfly drone duck egret ferry finch fish flamingo forklift fox
        frisbee gannet geese grouse gull hawk hen heron holidaymaker horse houseboat jackdaw jogger
        kingfisher kite koi lamb lark lizard mayfly meadowlark moth motorcycle mudskipper newspaper owl
        parrotfish passer-by passerby passers-by passersby pedestrian pelican people pigeon rabbit raven
        robin rook rover sail sailboat sandpiper scooter seagull sedan ship shopper skater sled spacecraft
        spaceship sparrow spectator squirrel stag starling starship stroller swallow swan swift taxi tourist
        townspeople tractor train tram trawler trout truck tugboat tumbleweed umbrella van vehicle vendor
        wasp worker yacht yak
    """,
    SKY: """
        aurora cloud cumulus lightning meteor northern-lights star thundercloud thunderhead
    """,
    WATER: """
        breaker brook canal creek fjord foam fountain lagoon lake lakeside meltwater ocean pond pool puddle
        rapids ripple river riverside sea seashore seaside stream surf swell tide wake water waterfall wave
        wavelet whitecap
    """,
}  # fmt: skip
_KIND_OF: Final = {tuple(term.split("-")): kind for kind, terms in _TERMS.items() for term in terms.split()}
_LONGEST: Final = max(map(len, _KIND_OF))

_CLAUSE = re.compile(r"[.,;:!?()]|\b(?:and|as|but|where|while|with)\b")
_WORD = re.compile(r"[a-z]+")
_PLURAL_ENDINGS: Final = (("ies", "y"), ("es", ""), ("s", ""))


def implied_motion(prompt: str) -> tuple[str, ...]:
    """Return the kinds of things named in a prompt that are implied to move.

    Args:
        prompt: English, of any length.

    Returns:
        Some of `IMPLIED_KINDS`, in that order; empty where nothing known is named.
    """
    found = set()
    for clause in _CLAUSE.split(prompt.lower().replace("-", " ")):
        words = _WORD.findall(clause)
        if _STILLNESS.isdisjoint(words):
            found |= _kinds(words)
    return tuple(kind for kind in IMPLIED_KINDS if kind in found)


def _kinds(words: list[str]) -> set[str]:
    """Return the kinds of every run of words that is a term."""
    found = set()
    for start in range(len(words)):
        for end in range(start + 1, min(start + _LONGEST, len(words)) + 1):
            *head, last = words[start:end]
            kinds = {_KIND_OF[term] for base in _base_forms(last) if (term := (*head, base)) in _KIND_OF}
            found |= kinds - _FIGURATIVE if words[end : end + 1] == ["of"] else kinds
    return found


def _base_forms(word: str) -> list[str]:
    """Return the word, and what it may be the plural of."""
    return [word, *(word.removesuffix(end) + add for end, add in _PLURAL_ENDINGS if word.endswith(end))]


# --- where it is in the picture --------------------------------------------------------------------

LOOK_PIXELS: Final = 320 * 180
"""Parts are looked for in a picture of this area; lengths below are in its pixels."""

LEAST_SHARE: Final = 0.01
"""Of the background that is seen: a part that is smaller was not found."""

_SAMPLES: Final = 12  # frames of which the picture is made: a subject that moves uncovers what it will
_SUBJECT_MARGIN: Final = 4  # pixels around the masks: their error and the codec's halo
_SWAY: Final = 2  # pixels that a part is grown by: what moves sweeps over its own edge
_FILL_SIGMA: Final = 12.0  # pixels; how far the background's colours reach into what is never seen

# Normalised excess green, (2g - r - b) / (r + g + b) (after Woebbecke et al., 1995): golden grass 0.05 and
# more, sand 0.02, wood and brick below 0. Blue (Lab b) must not be in it, or shallow water would be grass.
_GREENNESS, _LEAF_B, _LEAF_SIGMA = 0.04, 3.0, 1.0
_AUTUMN_A, _AUTUMN_B = 8.0, 15.0  # Lab, at least: orange to red
_BLOSSOM_A, _BLOSSOM_B, _BLOSSOM_L = 7.0, 22.0, 45.0  # Lab: pink, and light
_TEXTURE_SIGMA, _TEXTURE = 4.0, 2.0  # pixels; standard deviation of L: lawns 2 and more, walls and skies less
_LEAF_L = 4.0  # what is darker has no colour to tell

_EDGE_SIGMA, _SKY_GRADIENT = 1.5, 1.4  # pixels; Lab a pixel: a soft cloud's rim 1, a horizon 2 and more
_SKY_CLOSING = 8  # pixels: birds, twigs and the rims of clouds

_WATER_B, _WATER_A = 2.0, 6.0  # Lab, at most: gray, teal and blue, no warm colour
_WATER_A_OF_BLUE = 0.5  # what is bluer may be redder: deep blue has an a of up to half of -b, violet more
_WATER_L = (6.0, 88.0)  # darker is night, brighter is snow or sky; foam is closed over
_WATER_TOP = 0.3  # of the height: what is bluish higher up is sky or far hills
_WATER_CLOSING = 5

_LIGHT_LEVEL, _LIGHT_ABOVE = 0.7, 0.15  # of full brightness: of the light, and above its surroundings
_LIGHT_SIGMA = 12.0  # pixels; its surroundings


def background_picture(frames: Pixels, masks: Mask) -> tuple[Floats, Mask]:
    """Return the mean of what is seen of the background, about 320x180 pixels.

    Args:
        frames: uint8 (T, H, W, 3) RGB.
        masks: bool (T, H, W), the subject.

    Returns:
        float32 (h, w, 3) RGB from 0 to 1, what is never seen filled softly, and bool (h, w), what is seen.
    """
    height, width = frames.shape[1:3]
    scale = min(1.0, (LOOK_PIXELS / (height * width)) ** 0.5)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    total, count = np.zeros((size[1], size[0], 3), np.float32), np.zeros((size[1], size[0]), np.float32)
    for t in np.unique(np.linspace(0, len(frames) - 1, _SAMPLES).round().astype(int)):
        subject = cv2.resize(masks[t].astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
        seen = ~dilate(subject, _SUBJECT_MARGIN)
        total[seen] += cv2.resize(frames[t], size, interpolation=cv2.INTER_AREA)[seen]
        count += seen
    seen = count > 0
    picture = total / (255 * np.maximum(count, 1))[..., None]
    around = cv2.GaussianBlur(picture, (0, 0), _FILL_SIGMA)
    weight = cv2.GaussianBlur(seen.astype(np.float32), (0, 0), _FILL_SIGMA)
    picture[~seen] = (around / np.maximum(weight, 1e-3)[..., None])[~seen]
    return np.asarray(picture, np.float32), seen


def find_part(kind: str, picture: Floats, seen: Mask) -> Mask | None:
    """Where a kind of thing is, bool (h, w), a little more than its outline; None where it was not found.

    Args:
        kind: One of `IMPLIED_KINDS`; what has no look of its own is never found.
        picture: As `background_picture` gives it.
        seen: Likewise.
    """
    if kind not in _LOOKS:
        return None
    found = _LOOKS[kind](picture, seen) & seen
    return dilate(found, _SWAY) & seen if found.sum() >= max(LEAST_SHARE * seen.sum(), 1) else None


def _foliage(picture: Floats, seen: Mask) -> Mask:
    red, green, blue = cv2.split(_blurred(picture, _LEAF_SIGMA))
    greenness = (2 * green - red - blue) / (red + green + blue + np.float32(1e-3))
    leaning = cv2.split(_lab(picture))[2] > _LEAF_B
    return _plants(picture, seen, np.asarray((greenness > _GREENNESS) & leaning, np.bool_))


def _autumn(picture: Floats, seen: Mask) -> Mask:
    _, a, b = cv2.split(_lab(_blurred(picture, _LEAF_SIGMA)))
    return _plants(picture, seen, np.asarray((a > _AUTUMN_A) & (b > _AUTUMN_B), np.bool_))


def _blossom(picture: Floats, seen: Mask) -> Mask:
    lightness, a, b = cv2.split(_lab(_blurred(picture, _LEAF_SIGMA)))
    pink = (a > _BLOSSOM_A) & (b < _BLOSSOM_B) & (lightness > _BLOSSOM_L)
    return _plants(picture, seen, np.asarray(pink, np.bool_))


def _plants(picture: Floats, seen: Mask, coloured: Mask) -> Mask:
    """Return what has the colour of plants and is as rough as they are."""
    lightness = cv2.split(_lab(picture))[0]
    mean, square = (cv2.GaussianBlur(part, (0, 0), _TEXTURE_SIGMA) for part in (lightness, lightness**2))
    textured = square - mean * mean > _TEXTURE**2
    return np.asarray(coloured & textured & (lightness > _LEAF_L) & ~_sky(picture, seen), np.bool_)


def _sky(picture: Floats, seen: Mask) -> Mask:
    soft = _blurred(_lab(picture), _EDGE_SIGMA)
    slopes = [cv2.Sobel(soft, cv2.CV_32F, dx, 1 - dx, scale=1 / 8) for dx in (0, 1)]
    gradient = np.sqrt(sum((slope * slope).sum(axis=-1) for slope in slopes))
    smooth = ((gradient < _SKY_GRADIENT) & seen).astype(np.uint8)
    _, labels = cv2.connectedComponents(cv2.erode(smooth, disc(1)))
    reaching = np.setdiff1d(labels[:2], [0])
    return closed(dilate(np.isin(labels, reaching), 1), _SKY_CLOSING)


def _water(picture: Floats, seen: Mask) -> Mask:
    lightness, a, b = cv2.split(_lab(picture))
    low, high = _WATER_L
    cool = (b < _WATER_B) & (a < np.maximum(_WATER_A, -_WATER_A_OF_BLUE * b))
    bluish = cool & (lightness > low) & (lightness < high)
    bluish[: round(_WATER_TOP * len(bluish))] = False
    return closed(bluish & ~_sky(picture, seen), _WATER_CLOSING)


def _lights(picture: Floats, _: Mask) -> Mask:
    level = picture.max(axis=-1)
    above = level - cv2.GaussianBlur(level, (0, 0), _LIGHT_SIGMA)
    return np.asarray((level > _LIGHT_LEVEL) & (above > _LIGHT_ABOVE), np.bool_)


_LOOKS: Final[dict[str, Callable[[Floats, Mask], Mask]]] = {
    AUTUMN: _autumn,
    BLOSSOM: _blossom,
    FOLIAGE: _foliage,
    LIGHTS: _lights,
    SKY: _sky,
    WATER: _water,
}


def _blurred(picture: Floats, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)


def _lab(picture: Floats) -> Floats:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2LAB), np.float32)


# --- how it moves ----------------------------------------------------------------------------------

_STEADY = 0.5  # share of the pairs of frames

_EVERYWHERE = frozenset({HAZE, PARTICLES})
_SOON_ELSEWHERE = frozenset({PARTICLES, PASSERS})


@dataclass(frozen=True)
class PromptedMotion:
    """Where a background moves, as against where it should.

    Attributes:
        implied: What the prompt implies to move, of `IMPLIED_KINDS`.
        found: Those of them that were found by their look.
        inside: Mean change where they are, gray levels in a quarter of a second as `background_motion`, or
            None.
        outside: Mean change elsewhere that is steady, in the same unit, or None.
    """

    implied: tuple[str, ...]
    found: tuple[str, ...]
    inside: float | None
    outside: float | None


def prompted_motion(frames: Pixels, masks: Mask, prompt: str) -> PromptedMotion:
    """Measure the edited clip of a prompt; a fixed camera is taken for granted.

    Args:
        frames: uint8 (T, H, W, 3) RGB, T >= 2.
        masks: bool (T, H, W), the subject.
        prompt: The instruction.

    Raises:
        MediaError: Shapes do not fit, or there is one frame only.
    """
    changed, steady, seen = _over_time(frames, masks)
    implied = implied_motion(prompt)
    picture, visible = background_picture(frames, masks)
    size = frames.shape[2], frames.shape[1]
    parts = {}
    for kind in implied:
        part = find_part(kind, picture, visible)
        if part is not None:
            parts[kind] = cv2.resize(part.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    inside = np.logical_or.reduce(list(parts.values()) or [np.zeros(size[::-1], np.bool_)])
    everywhere = not parts and not _EVERYWHERE.isdisjoint(implied)
    placed = parts.keys() | _SOON_ELSEWHERE
    return PromptedMotion(
        implied=implied,
        found=tuple(parts),
        inside=_mean(changed, seen, seen > 0 if everywhere else inside),
        outside=_mean(steady, seen, ~inside) if implied and placed.issuperset(implied) else None,
    )


def _over_time(frames: Pixels, masks: Mask) -> tuple[Floats, Floats, npt.NDArray[np.int32]]:
    """Sums over the clip for each pixel, (H, W): change, steady change, and pairs that show background."""
    shape = frames.shape[1:3]
    changed, moving, seen = np.zeros(shape, np.float32), np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    for change, background in background_changes(frames, masks):
        change *= background
        changed += change
        moving += change > 0
        seen += background
    return changed, changed * (moving >= _STEADY * seen), seen


def _mean(changed: Floats, seen: npt.NDArray[np.int32], where: Mask) -> float | None:
    """Return the mean over pixels and time, None where the place is hardly there."""
    pairs = int(seen[where].sum())
    if pairs == 0 or pairs < LEAST_SHARE * int(seen.sum()):
        return None
    return float(changed[where].sum(dtype=np.float64)) / pairs
