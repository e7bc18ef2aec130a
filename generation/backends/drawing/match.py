"""Reads a prompt into a `SceneSpec`, by whole words and fixed tables.

How it works
- The prompt is lowered and cut into words; each word also counts as its base forms ("waves", "waving" ->
  "wave"), so the tables of `vocabulary` hold base forms only.
- Every family adds up the weights of its terms that occur (each term once). The largest sum wins, the
  earlier family of the table wins a tie, and `vocabulary.FALLBACK_FAMILY` is taken when nothing occurs.
  Kind, season, time of day, weather and style are chosen the same way.
- A word after "no" or "without" does not count. "Still" after "remain", "stay", "keep", "hold" or "stand"
  speaks of the person, not of the scene, and does not count either.
- Energy is 0.5 plus the squashed sum of the signed steps of its terms.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sparkle.generation.backends.drawing import vocabulary

ENERGY_REST = 0.5  # energy of a prompt that says nothing about motion
ENERGY_SPAN = 0.45  # the most that words can add or take away
KIND_NAMED = 2  # extra weight of a kind's first term, which is its plainest name
NEGATIONS = frozenset({"no", "without"})
HOLDING = frozenset(
    {"remain", "remains", "remaining", "stay", "stays", "keep", "keeps", "hold", "stand", "stands"}
)
HOLDING_REACH = 3  # words between "remains" and "still": "remain perfectly still", "keep the subject still"

# What falls through the air when the prompt names a scene but no particles.
DEFAULT_PARTICLES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("interior", ""): ("dust",),
    ("underwater", ""): ("bubbles",),
    ("industrial", ""): ("ash", "embers"),
    ("forest", "blossom"): ("petals",),
    ("forest", "woods"): ("dust",),
    ("meadow", "flowers"): ("dust",),
    ("meadow", "dunes"): ("dust",),
    ("village", "medieval"): ("embers",),
}

# Families that the weather does not reach, and what can drift there.
SHELTERED: Mapping[str, frozenset[str]] = {
    "interior": frozenset({"dust", "embers", "fireflies"}),
    "underwater": frozenset({"bubbles", "dust", "fireflies"}),
    "space": frozenset({"dust", "embers", "ash"}),
}


@dataclass(frozen=True)
class SceneSpec:
    """What was understood of a prompt.

    Attributes:
        family: One of the keys of `vocabulary.FAMILY_TERMS`.
        kind: One of the family's kinds in `vocabulary.KIND_TERMS`.
        season: spring, summer, autumn or winter.
        time_of_day: dawn, morning, noon, golden, twilight or night.
        weather: clear, cloudy, fog, rain or storm.
        style: plain, oil, watercolour, anime, noir, cyberpunk, vintage or fantasy.
        energy: Energy of motion in 0..1; 0.5 where the prompt says nothing.
        particles: What drifts through the air, in the vocabulary's order.
        features: Further things named, in the vocabulary's order.
    """

    family: str
    kind: str
    season: str
    time_of_day: str
    weather: str
    style: str
    energy: float
    particles: tuple[str, ...]
    features: tuple[str, ...]

    def has(self, feature: str) -> bool:
        """Whether the prompt names `feature`."""
        return feature in self.features


def base_forms(word: str) -> frozenset[str]:
    """The word itself and what is left of it without a plural, -ing or -ed.

    "waves" gives waves, wave and wav; "leaves" also leaf, "crashing" also crash, "skies" also sky. Wrong
    stems ("wav") do no harm: no table holds them.
    """
    forms = {word}
    if word.endswith("ies") and len(word) > 4:
        forms.add(word[:-3] + "y")
    if word.endswith("ves"):
        forms |= {word[:-3] + "f", word[:-3] + "fe"}
    if word.endswith("s") and not word.endswith("ss"):
        forms.add(word[:-1])
    if word.endswith("es"):
        forms.add(word[:-2])
    for ending in ("ing", "ed"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= 3:
            forms |= {stem, stem + "e"}
            if stem[-1] == stem[-2]:
                forms.add(stem[:-1])
    return frozenset(forms)


class Words:
    """A prompt as words, for whole-word term lookup."""

    def __init__(self, prompt: str) -> None:
        words = re.findall(r"[a-z0-9]+", prompt.lower().replace("'s ", " "))
        self._forms = [
            frozenset() if _silent(words, place) else base_forms(word) for place, word in enumerate(words)
        ]
        self._known = frozenset[str]().union(*self._forms)

    def has(self, term: str) -> bool:
        """Whether the term's words occur one after another, each in a base form."""
        wanted = term.split()
        if not self._known.issuperset(wanted):
            return False
        starts = range(len(self._forms) - len(wanted) + 1)
        return any(all(part in self._forms[start + k] for k, part in enumerate(wanted)) for start in starts)

    def any_of(self, terms: Iterable[str]) -> bool:
        """Whether one of the terms occurs."""
        return any(self.has(term) for term in terms)

    def total(self, weights: Mapping[str, float]) -> float:
        """The sum of the weights of the terms that occur, each once."""
        return math.fsum(weight for term, weight in weights.items() if self.has(term))

    def best(self, table: Mapping[str, Mapping[str, float]], fallback: str) -> str:
        """The entry with the largest total; the first of equals; the fallback when all totals are zero."""
        totals = {name: self.total(weights) for name, weights in table.items()}
        name = max(totals, key=lambda key: totals[key])
        return name if totals[name] > 0 else fallback


def _silent(words: list[str], place: int) -> bool:
    if place and words[place - 1] in NEGATIONS:
        return True
    return words[place] == "still" and any(
        word in HOLDING for word in words[max(0, place - HOLDING_REACH) : place]
    )


def match(prompt: str) -> SceneSpec:
    """Understands a prompt; never fails: an empty or foreign prompt gives the fallback scene.

    Args:
        prompt: An English sentence or two.

    Returns:
        The same spec for the same prompt in every process.
    """
    words = Words(prompt)
    family = words.best(vocabulary.FAMILY_TERMS, vocabulary.FALLBACK_FAMILY)
    kind = _kind(words, family)
    features = tuple(name for name, terms in vocabulary.FEATURE_TERMS.items() if words.any_of(terms))
    season = words.best(vocabulary.SEASON_TERMS, "summer")
    weather = words.best(vocabulary.WEATHER_TERMS, "clear")
    return SceneSpec(
        family=family,
        kind=kind,
        season=season,
        time_of_day=words.best(vocabulary.TIME_TERMS, _usual_time(family, kind)),
        weather=weather,
        style=words.best(vocabulary.STYLE_TERMS, "plain"),
        energy=_energy(words),
        particles=_particles(words, family, kind, season, weather),
        features=features,
    )


def _particles(words: Words, family: str, kind: str, season: str, weather: str) -> tuple[str, ...]:
    """What the prompt lets fall, or what usually does: rain in rainy weather, nothing out of place."""
    named = tuple(name for name, terms in vocabulary.PARTICLE_TERMS.items() if words.any_of(terms))
    if family in SHELTERED:
        named = tuple(name for name in named if name in SHELTERED[family])
        return named or DEFAULT_PARTICLES.get((family, ""), ())
    if weather in ("rain", "storm"):
        return named if {"rain", "snow"} & set(named) else (*named, "rain")
    if not named and season == "winter" and (family, kind) == ("forest", "conifer"):
        return ("snow",)
    return named or DEFAULT_PARTICLES.get((family, kind), DEFAULT_PARTICLES.get((family, ""), ()))


def _energy(words: Words) -> float:
    steps = words.total(vocabulary.ENERGY_TERMS)
    return ENERGY_REST + ENERGY_SPAN * math.tanh(steps / (2.0 * ENERGY_SPAN))


def _kind(words: Words, family: str) -> str:
    table = vocabulary.KIND_TERMS[family]
    counts = {
        kind: sum(map(words.has, terms)) + KIND_NAMED * words.has(terms[0]) for kind, terms in table.items()
    }
    return max(counts, key=lambda kind: counts[kind])


def _usual_time(family: str, kind: str) -> str:
    """The time of day at which a scene looks most like itself when the prompt names none."""
    usual = {"city": "twilight", "village": "twilight", "industrial": "twilight", "space": "night"}
    if kind == "neon":
        return "night"
    return usual.get(family, "noon")
