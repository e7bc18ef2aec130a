"""What a prompt asks for: the scene whose recipe draws all of it, or why none does.

How it works
- Segments that only say to leave the subject as it is are set aside ("The subject should remain still").
- Of what is left, every word must be one that the scene shows (of its keyword, setting, clauses or `also`),
  one of grammar, or one of the plain ones of `words.toml`: words that no picture contradicts. A word counts
  in its base forms ("waves", "wave").
- The scene with the largest overlap (`taxonomy.overlap`) among those that show every word is meant. Where
  there is none, the words that the nearest scene does not show are the reason, and nothing is drawn.
- A negation, too many words and too few are reasons, too: a picture cannot show what is absent.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from sparkle.generation.taxonomy import FUNCTION_WORDS, MIN_OVERLAP, TaxonomyScene, load_taxonomy, overlap

MOST_WORDS = 120  # upstream's longest prompts have about 80
NAMED_WORDS = 12  # of those that were not understood, in a reason
STEP, SLOWEST, FASTEST = 0.2, 0.6, 1.6  # of the pace, per word that asks for more or less of it


_WORDS = {
    name: frozenset(words.split())
    for name, words in tomllib.loads(files(__package__).joinpath("words.toml").read_text("utf-8")).items()
}
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


@dataclass(frozen=True)
class Meant:
    """What was understood of a prompt: a scene and how lively it is to be, or why there is none."""

    scene: TaxonomyScene | None
    reason: str = ""
    pace: float = 1.0


@cache
def understand(prompt: str) -> Meant:
    """Return the scene that draws all of a prompt, or the reason why none does."""
    words = _WORD.findall(prompt.lower())
    if len(words) > MOST_WORDS:
        return Meant(None, f"it has {len(words)} words, at most {MOST_WORDS} are read")
    asked = _WORD.findall(" ".join(_about_the_scene(prompt.lower())))
    negated = [word for word in asked if word in _WORDS["negations"] or word.endswith(("n't", "n’t"))]
    if negated:
        return Meant(None, f"a picture cannot show what is not there ({', '.join(dict.fromkeys(negated))})")
    scenes = [scene for scene in load_taxonomy().all_scenes if scene.is_drawn]
    overlaps = {scene: overlap(scene, " ".join(asked)) for scene in scenes}
    said = [scene for scene in scenes if scene.setting.lower() in prompt.lower()]
    missing = {scene: _not_shown(scene, asked) for scene in said or scenes}
    meant = max(missing, key=lambda scene: (not missing[scene], overlaps[scene]))
    if missing[meant]:
        meant = max(missing, key=lambda scene: overlaps[scene])
        words_missing = ", ".join(missing[meant][:NAMED_WORDS])
        return Meant(None, f"words not understood: {words_missing}")
    if overlaps[meant] <= MIN_OVERLAP:
        return Meant(None, "too few words to tell a scene by")
    own = _shown_by(meant)
    beats = [word for word in asked if word not in own]
    steps = sum(word in _WORDS["lively"] for word in beats) - sum(word in _WORDS["calm"] for word in beats)
    return Meant(meant, pace=min(FASTEST, max(SLOWEST, 1.0 + STEP * steps)))


def _about_the_scene(prompt: str) -> list[str]:
    """Return the segments of a prompt without those that say to leave the subject alone."""
    segments = re.split(r"[.,;:!?\n]|\bwhile\b|\band (?=the (?:subject|person|foreground)\b)", prompt)
    kept = []
    for segment in segments:
        words = set(_WORD.findall(segment))
        if not (
            words & _WORDS["subjects"]
            and (words & _WORDS["keeping"] or (words & _WORDS["negations"] and words & _WORDS["changing"]))
        ):
            kept.append(segment)
    return kept


def _not_shown(scene: TaxonomyScene, asked: list[str]) -> list[str]:
    """Return the words of a prompt that a scene does not show, each once."""
    shown = _shown_by(scene)
    unknown = [
        word for word in asked if word not in FUNCTION_WORDS and not base_forms(word) & (shown | _plain())
    ]
    return list(dict.fromkeys(unknown))


@cache
def _plain() -> frozenset[str]:
    return frozenset().union(*map(base_forms, _WORDS["plain"]))


@cache
def _shown_by(scene: TaxonomyScene) -> frozenset[str]:
    """Return the base forms of every word that a scene shows."""
    clauses = " ".join((*scene.moves, *scene.moves_finite, *scene.light, *scene.light_finite))
    words = _WORD.findall(f"{scene.keyword} {scene.setting} {scene.also} {clauses}".lower().replace("-", " "))
    return frozenset().union(*map(base_forms, words))


@cache
def base_forms(word: str) -> frozenset[str]:
    """Return the word and what is left of it without a plural, -ing, -ed or -ly.

    "waves" gives waves, wave and wav; "leaves" also leaf, "crashing" also crash, "skies" also sky.
    """
    word = word.removesuffix("'s").removesuffix("’s")
    forms = {word}
    if word.endswith("ies") and len(word) > 4:
        forms.add(word[:-3] + "y")
    if word.endswith("ves"):
        forms |= {word[:-3] + "f", word[:-3] + "fe"}
    if word.endswith("s") and not word.endswith("ss") and len(word) > 3:
        forms.add(word[:-1])
    if word.endswith("es") and len(word) > 4:
        forms.add(word[:-2])
    for ending in ("ing", "ed", "ly"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= 3:
            forms |= {stem, stem + "e"}
            if stem[-1] == stem[-2]:
                forms.add(stem[:-1])
    return frozenset(forms)
