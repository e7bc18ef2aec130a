"""Which kinds of things a prompt implies to move in the background: words, no pixels.

How it works
- A prompt that names a thing which moves by nature (waves, grass, clouds, rain, torches, a crowd) implies
  that its part of the picture moves, whether or not it says so: "a lakeside meadow" is no photograph.
- "A sea of lavender" is lavender: what is said to be made "of" something else is no water and no sky.
- A clause that asks for stillness ("a frozen lake", "the subject remains still", "no cars") implies nothing.
- Light and shadow on things are no things: sunbeams alone imply nothing, and snow only where it falls.
- What the vocabulary does not know implies nothing. Its words come from the public Sparkle prompts and from
  our taxonomy, whose clauses of motion imply something nine times out of ten.
"""

from __future__ import annotations

import re
from typing import Final

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
        airliner airplane airship balloon bat bather bee bicycle bird blackbird boat bumblebee bus butterfly
        cab camel canoe car caravan cat citizen commuter convertible crab crow customer cyclist dancer deer
        dog dove dragon dragonfly drone duck egret ferry finch fish flamingo forklift fox frisbee gannet
        grouse gull hawk hen heron horse houseboat jackdaw jogger kingfisher kite koi lamb lark lizard
        mayfly meadowlark moth motorcycle mudskipper newspaper owl parrotfish passer-by passerby passers-by
        passersby pedestrian pelican people pigeon rabbit raven robin sail sailboat sandpiper scooter
        seagull sedan ship shopper skater sled spacecraft spaceship sparrow spectator squirrel stag starling
        stroller swallow swan taxi tourist tractor train tram trawler trout truck tugboat tumbleweed
        umbrella van vehicle vendor wasp worker yacht yak
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
    """The kinds of things named in a prompt that are implied to move.

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
    """The kinds of every run of words that is a term."""
    found = set()
    for start in range(len(words)):
        for end in range(start + 1, min(start + _LONGEST, len(words)) + 1):
            *head, last = words[start:end]
            kinds = {_KIND_OF[term] for base in _base_forms(last) if (term := (*head, base)) in _KIND_OF}
            found |= kinds - _FIGURATIVE if words[end : end + 1] == ["of"] else kinds
    return found


def _base_forms(word: str) -> list[str]:
    """The word, and what it may be the plural of."""
    return [word, *(word.removesuffix(end) + add for end, add in _PLURAL_ENDINGS if word.endswith(end))]
