"""The taxonomy: which scenes a background can become, and which scene a prompt is about.

- `taxonomy.toml` holds it: theme -> subtheme -> scenes, for the four themes that have keywords, in
  the paper's proportions (about 22 subthemes, about 100 scenes). The scenes are our own.
  `parse_taxonomy` refuses a file that breaks the form which the file's head describes.
- A keyword is `subtheme: scene` (upstream's `chosen_keyword`), unique within its theme.
- A clause of a scene has its verb in two forms, so that a grammar can write "where grass sways" and
  "with grass swaying" without guessing at English.
- `match_prompt` finds the scene that a free prompt is about, by weighted word overlap.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from msgspec import Struct

from sparkle.schemas.canonical import sha256_bytes
from sparkle.schemas.errors import ConfigError, RecordError, did_you_mean
from sparkle.schemas.ids import TAXONOMY_THEMES, THEMES
from sparkle.schemas.load import load

PLACES = ("in", "on", "at", "among", "under", "below", "beside", "in front of")

# What a shared word is worth by where the scene says it: its keyword names the scene, its setting
# describes it, its clauses are one telling of it among others.
KEYWORD_WEIGHT, SETTING_WEIGHT, CLAUSE_WEIGHT = 3.0, 2.0, 1.0
# A match must be worth more than one word ever is, so at least two words agree. Measured: the prompts of
# the twelve shared clips score 3.6 to 15.6, nine texts about no scene at most 1.9, composed ones over 11.
MIN_OVERLAP = KEYWORD_WEIGHT

_CLAUSE = re.compile(
    r"(?P<subject>[^{}|]+) \{(?P<finite>[a-z]+)\|(?P<participle>[a-z]+ing)\}(?P<rest>[^{}|]*)"
)
_PLAIN_WORDS = re.compile(r"[^\s,.:;]+( [^\s,.:;]+)*")
_WORD = re.compile(r"[a-z0-9]+")
# Words of grammar: they say nothing about a scene.
FUNCTION_WORDS = frozenset(
    _WORD.findall(
        "a an and are as at by for from in into is it its of off on or over s that the their this through"
        " to under up where while with"
    )
)


@dataclass(frozen=True)
class TaxonomyScene:
    """One scene that a background can become.

    Attributes:
        theme: One of `TAXONOMY_THEMES`.
        subtheme: The words before the colon of its keyword.
        name: The words after the colon of its keyword.
        setting: A noun phrase with its article: what is there.
        moves: Two to four participial clauses of what moves there: "tall grass swaying in the wind".
        light: One or two participial clauses of what the light does.
        moves_finite: The clauses of `moves` in the same order, finite: "tall grass sways in the wind".
        light_finite: The clauses of `light` in the same order, finite.
        place: The preposition of "Place the subject <place> <setting>", one of `PLACES`.
        moves_shown_by: The layers that show the clauses of `moves`, in the same order.
        light_shown_by: The layers that show the clauses of `light`, in the same order.
        also: Further words that this scene shows, for finding it in a prompt of other words.
        look: Its light and style, as the file has them; `backends/drawing` reads them.
        layers: What is drawn, back to front, as the file has it; empty where nothing draws it.
    """

    theme: str
    subtheme: str
    name: str
    setting: str
    moves: tuple[str, ...]
    light: tuple[str, ...]
    moves_finite: tuple[str, ...]
    light_finite: tuple[str, ...]
    place: str = "in"
    moves_shown_by: tuple[str, ...] = ()
    light_shown_by: tuple[str, ...] = ()
    also: str = ""
    look: Mapping[str, Any] = field(default_factory=dict, hash=False)
    layers: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)

    @property
    def is_drawn(self) -> bool:
        """Whether it has a recipe."""
        return bool(self.layers)

    @property
    def keyword(self) -> str:
        """`subtheme: name`, upstream's `chosen_keyword`."""
        return f"{self.subtheme}: {self.name}"


@dataclass(frozen=True)
class Taxonomy:
    """The scenes of the four themes, in the order of the file."""

    all_scenes: tuple[TaxonomyScene, ...]

    def scenes(self, theme: str) -> tuple[TaxonomyScene, ...]:
        """Return the scenes of a theme; none for `openve3m`.

        Raises:
            ConfigError: the theme is not one of `THEMES`.
        """
        if theme not in THEMES:
            raise ConfigError("not a theme", got=repr(theme), wanted=", ".join(THEMES))
        return tuple(scene for scene in self.all_scenes if scene.theme == theme)

    def subthemes(self, theme: str) -> tuple[str, ...]:
        """Return the subthemes of a theme; raises ConfigError as `scenes` does."""
        return tuple(dict.fromkeys(scene.subtheme for scene in self.scenes(theme)))


@cache
def load_taxonomy() -> Taxonomy:
    """Return the packaged taxonomy, read once per process."""
    return parse_taxonomy(_packaged(), where="generation/taxonomy.toml")


@cache
def taxonomy_sha256() -> str:
    """Return the hash of the packaged taxonomy: what is composed from it is made again when it changes."""
    return sha256_bytes(_packaged())


def _packaged() -> bytes:
    return files("sparkle.generation").joinpath("taxonomy.toml").read_bytes()


def match_prompt(theme: str, prompt: str) -> TaxonomyScene | None:
    """Return the scene of a theme that a prompt is about, or None when none is near enough.

    The greatest `overlap` wins, the earlier scene of two equal ones, and must exceed `MIN_OVERLAP`.

    Args:
        theme: Where to look; always None for `openve3m`, which has no scenes.
        prompt: Any text.

    Raises:
        ConfigError: the theme is not one of `THEMES`.
    """
    overlaps = {scene: overlap(scene, prompt) for scene in load_taxonomy().scenes(theme)}
    best = max(overlaps, key=overlaps.__getitem__, default=None)
    return best if best is not None and overlaps[best] > MIN_OVERLAP else None


def overlap(scene: TaxonomyScene, prompt: str) -> float:
    """Return how much of a prompt is about a scene of the packaged taxonomy.

    It is the sum, over the words that they share, of the word's weight (`KEYWORD_WEIGHT`, `SETTING_WEIGHT` or
    `CLAUSE_WEIGHT`, the highest that applies) times its rarity: log(scenes / scenes with the word) /
    log(scenes), so 1 for a word that one scene alone has and 0 for one that all have. Words are whole, in
    lower case, without a plural's `s`; words of grammar do not count.
    """
    worth = _word_worth()[scene]
    return math.fsum(worth.get(word, 0.0) for word in _content_words(prompt))


@cache
def _word_worth() -> Mapping[TaxonomyScene, Mapping[str, float]]:
    """Return what each word of each scene adds to its overlap."""
    weights = {scene: _word_weights(scene) for scene in load_taxonomy().all_scenes}
    holders = Counter(word for words in weights.values() for word in words)
    scale = math.log(len(weights))
    return {
        scene: {word: weight * (1 - math.log(holders[word]) / scale) for word, weight in words.items()}
        for scene, words in weights.items()
    }


def _content_words(text: str) -> list[str]:
    """Return the distinct words of a text that can tell a scene, sorted (sums depend on the order)."""
    words = set(_WORD.findall(text.lower())) - FUNCTION_WORDS
    return sorted({word[:-1] if len(word) > 3 and re.search("[^s]s$", word) else word for word in words})


def _word_weights(scene: TaxonomyScene) -> dict[str, float]:
    clauses = " ".join((*scene.moves, *scene.moves_finite, *scene.light, *scene.light_finite, scene.also))
    weights = dict.fromkeys(_content_words(clauses), CLAUSE_WEIGHT)
    weights |= dict.fromkeys(_content_words(scene.setting), SETTING_WEIGHT)
    return weights | dict.fromkeys(_content_words(scene.keyword), KEYWORD_WEIGHT)


class _Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """A scene as the file writes it."""

    name: str
    setting: str
    moves: tuple[str, ...]
    light: tuple[str, ...]
    place: str = "in"
    also: str = ""
    look: dict[str, Any] = {}
    layers: tuple[dict[str, Any], ...] = ()


def parse_taxonomy(data: bytes, *, where: str) -> Taxonomy:
    """Return the taxonomy of a TOML file.

    Raises:
        ConfigError: it is not TOML, or breaks the form that the packaged file's head describes.
    """
    try:
        table = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError("the taxonomy is not TOML", got=error, where=where) from None
    if set(table) != set(TAXONOMY_THEMES):
        themes = ", ".join(TAXONOMY_THEMES)
        raise ConfigError("not the themes of a taxonomy", got=", ".join(table), wanted=themes, where=where)
    scenes: dict[tuple[str, str], TaxonomyScene] = {}
    for theme in TAXONOMY_THEMES:
        for scene in _theme_scenes(theme, table[theme], where):
            if (theme, scene.keyword) in scenes:
                raise ConfigError("a keyword occurs twice", got=scene.keyword, where=f"{where}: {theme}")
            scenes[theme, scene.keyword] = scene
    return Taxonomy(tuple(scenes.values()))


def _theme_scenes(theme: str, subthemes: Any, where: str) -> Iterator[TaxonomyScene]:
    if not isinstance(subthemes, dict) or not subthemes:
        wanted = f"[[{theme}.<subtheme>]]"
        raise ConfigError(
            "a theme has no subthemes", got=repr(subthemes)[:80], wanted=wanted, where=f"{where}: {theme}"
        )
    for subtheme, entries in subthemes.items():
        table = f"{where}: {theme}.{subtheme}"
        if not isinstance(entries, list) or not entries:
            wanted = f"[[{theme}.{subtheme}]]"
            raise ConfigError("a subtheme has no scenes", got=repr(entries)[:80], wanted=wanted, where=table)
        _require_plain_words(subtheme, table)
        for number, entry in enumerate(entries):
            yield _scene(theme, subtheme, entry, f"{table}/{number}")


def _scene(theme: str, subtheme: str, value: Any, where: str) -> TaxonomyScene:
    try:
        entry = load(_Entry, value, where)
    except RecordError as error:
        raise ConfigError(error.problem, got=error.got, wanted=error.wanted, where=error.where) from None
    _require_plain_words(entry.name, f"{where}/name")
    _require_plain_words(entry.setting, f"{where}/setting")
    if entry.place not in PLACES:
        wanted = ", ".join(PLACES)
        raise ConfigError("not a place", got=repr(entry.place), wanted=wanted, where=f"{where}/place")
    drawn = _layer_names(entry, where)
    moves = _clauses(entry.moves, 2, 4, drawn, f"{where}/moves")
    light = _clauses(entry.light, 1, 2, drawn, f"{where}/light")
    return TaxonomyScene(
        theme=theme,
        subtheme=subtheme,
        name=entry.name,
        setting=entry.setting,
        moves=tuple(clause.doing for clause in moves),
        light=tuple(clause.doing for clause in light),
        moves_finite=tuple(clause.does for clause in moves),
        light_finite=tuple(clause.does for clause in light),
        place=entry.place,
        moves_shown_by=tuple(clause.layer for clause in moves if drawn),
        light_shown_by=tuple(clause.layer for clause in light if drawn),
        also=entry.also,
        look=entry.look,
        layers=entry.layers,
    )


class _Clause(NamedTuple):
    """A clause in both forms, and the layer that shows it (empty where nothing is drawn)."""

    doing: str
    does: str
    layer: str


def _layer_names(entry: _Entry, where: str) -> frozenset[str]:
    """Return the names of a recipe's layers; a layer without a name is called what it is."""
    names = set()
    for number, layer in enumerate(entry.layers):
        name = layer.get("name", layer.get("is"))
        if not isinstance(layer.get("is"), str) or not isinstance(name, str):
            raise ConfigError(
                "not a layer",
                got=repr(layer)[:80],
                wanted='{ is = "sky", ... }',
                where=f"{where}/layers/{number}",
            )
        names.add(name)
    return frozenset(names)


def _clauses(
    texts: tuple[str, ...], fewest: int, most: int, drawn: frozenset[str], where: str
) -> list[_Clause]:
    """Return the clauses of a list, each with a layer of `drawn` unless that is empty."""
    if not fewest <= len(texts) <= most:
        raise ConfigError(
            "too few or too many clauses", got=len(texts), wanted=f"{fewest} to {most}", where=where
        )
    found = []
    for number, text in enumerate(texts):
        place = f"{where}/{number}"
        layer, colon, words = text.partition(": ") if drawn else ("", ":", text)
        _require_plain_words(words or text, place)
        match = _CLAUSE.fullmatch(words)
        if not colon or match is None:
            wanted = "'subject {finite|participle} rest', after 'layer: ' where layers are drawn"
            raise ConfigError("not a clause", got=repr(text), wanted=wanted, where=place)
        if drawn and layer not in drawn:
            fix = did_you_mean(layer, drawn)
            raise ConfigError(
                "a clause names a layer that the recipe has not",
                got=layer,
                wanted=", ".join(sorted(drawn)),
                where=place,
                fix=fix,
            )
        subject, rest = match["subject"], match["rest"]
        found.append(
            _Clause(f"{subject} {match['participle']}{rest}", f"{subject} {match['finite']}{rest}", layer)
        )
    return found


def _require_plain_words(text: str, where: str) -> None:
    """Refuse other than words with one space between; marks would break a keyword, a list or a sentence."""
    if _PLAIN_WORDS.fullmatch(text) is None:
        wanted = "words with one space between, without , . : ;"
        raise ConfigError("not plain words", got=repr(text), wanted=wanted, where=where)
