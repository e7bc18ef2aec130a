"""Reading a judge's answer: one whole number per dimension, a few repairs that are named, never a guess.

- The form that is asked for is one line `Heading: N` per dimension. What models write in its place is read
  where one reading alone is possible, and each way of writing it has a name in `AnswerRepair`.
- Every statement of a dimension's score counts: two that differ are an error, whichever comes last.
- 4.7, 6, "four", a range, a remark with another number, a table, a scale of 10 or an answer that was cut are
  errors that keep the answer. Failed is never a score.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sparkle.schemas.answer_text import AnswerRepair, text_of_answer
from sparkle.schemas.errors import AnswerError, RecordError
from sparkle.schemas.score_text import QUOTES, SIGNS, Scale
from sparkle.schemas.validate import parse_strict

_KEPT = 20_000  # characters of an answer that an error keeps, and that are read


@dataclass(frozen=True)
class JudgeAnswer:
    """The scores of an answer, in the order of the headings, and what was mended."""

    scores: tuple[int, ...]
    repairs: tuple[str, ...]


def read_judge_answer(
    answer: str, headings: Sequence[str], *, lowest: int = 1, highest: int = 5, where: str = ""
) -> JudgeAnswer:
    """Read the scores of an answer.

    Args:
        answer: What the judge said, as it said it.
        headings: The dimensions, as the judge was asked for them.
        lowest: The least score.
        highest: The greatest score.
        where: What was asked, for errors.

    Raises:
        AnswerError: there is not exactly one readable score of each dimension; the problem says in which way.
    """
    return _Reading(answer, tuple(headings), Scale(lowest, highest), where).read()


_LETTERS = "(?=[A-Za-z\"“'*_\\[])"
_BULLET = re.compile(
    rf"[-*•–—+·●▪◦‣#>\u25a0-\u25ff{SIGNS}]+\s+|[-•–—+·‣>\u25a0-\u25ff{SIGNS}]+{_LETTERS}|#+|•"
)
_NUMBERING = re.compile(
    rf"\(?(?:[0-9]{{1,2}}|[a-f]|[ivx]{{1,4}})[.):]+(?:\s+|{_LETTERS})|#[0-9]+[.):]*\s+|"
    r"(?:dimension|criterion)\s+[0-9]\s*[-–—:.)]\s*|[0-9]\u20e3\s*|[\u2460-\u2473\u2776-\u2793]\s*(?=[A-Za-z])",
    re.IGNORECASE,
)
_OPENING = re.compile(r"\[\s*(?=\{)|\{")
_DECODER = json.JSONDecoder()
_EMPHASIS = re.compile(r"\*+|`+|__+|(?<!\w)_|_(?!\w)")
_EMPHASIS_ENDS = re.compile(r"(?<=[0-9])(?:(?:\*+|__)\s+(?=[A-Z])|\s+[*_](?=[A-Za-z]))")  # before a remark
_BEHIND_KEY = re.compile(r"[\s_]*(?:\([^()0-9]*\))?[\s_]*(?:score|rating)?:?", re.IGNORECASE)
_OF = re.compile(r"(?:the\s+)?(?:score|rating)\s+(?:for|of)\s+(?:the\s+)?", re.IGNORECASE)
_LABEL = re.compile(r"(?:score|rating)\s*(?:[:=]|is)?\s*", re.IGNORECASE)
_SOURCE = re.compile(
    r"\(\s*(?:the\s+)?(?:source|original|input|reference|unedited|before)(?:\s+\w+)?\s*\)", re.I
)
_SEPARATOR = re.compile(
    r"\s*(?P<sign>::?|=>|=|->|→|\.{3,}|[-–—](?=\s)|\b(?:is|gets|scores)(?=\s))\s*|\s+",
)
_OTHER_SECTION = re.compile(
    r"(?:overall|total|average|mean|summary|final|conclusion|verdict)\b", re.IGNORECASE
)
# What else an object beside a score may say that would be another one, or another scale.
_RIVAL = re.compile(
    r"scor|rating|value|source|edited|original|raw|cap|final|max|scale|out.?of", re.IGNORECASE
)
_GREATEST = re.compile(r"max|scale|out.?of", re.IGNORECASE)


@dataclass
class _Reading:
    """One answer while it is read."""

    answer: str
    headings: tuple[str, ...]
    scale: Scale
    where: str
    repairs: set[AnswerRepair] = field(default_factory=set)
    found: dict[int, set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = sorted(range(len(self.headings)), key=lambda at: -len(self.headings[at]))
        patterns = [f"(?P<n{at}>{_pattern(self.headings[at])})" for at in names]
        name = f"(?:{'|'.join(patterns)})"
        self._name = re.compile(rf"{name}(?![A-Za-z])", re.IGNORECASE)
        self._inside = re.compile(
            rf"(?<=[,;|.0-9\])])(?:\s*(?:[/–—-]|and\b))?(?:\s+\(?[0-9][.)])?\s*"
            rf"(?={name}[{QUOTES}]?\s*(?:(?:\([^()]*\))?\s*[:=]|\([0-9./ ]+\)))",
            re.IGNORECASE,
        )
        any_name = "|".join(_pattern(heading) for heading in self.headings)
        self._tag = re.compile(rf"<(?P<name>{any_name})>(?P<said>[^<>\n]*)</(?P=name)>", re.IGNORECASE)

    def read(self) -> JudgeAnswer:
        if not self.answer.strip():
            raise self._bad("the judge answered nothing")
        if len(self.answer) > _KEPT:
            raise self._bad("the answer is too long", wanted=f"at most {_KEPT} characters")
        text = text_of_answer(self.answer, self.repairs)
        if text is None:
            raise self._bad("cut short: the answer ends in its thoughts")
        tagged = self._tag.sub(lambda tag: f"\n{tag['name']}: {tag['said']}\n", text)
        if tagged != text:
            self._mend(AnswerRepair.QUOTED)
        try:
            self.scale.refuse_another(tagged)
        except AnswerError as error:
            raise self._bad(error.problem, wanted=error.wanted, place=str(error.got)) from None
        rest = self._json(tagged)
        self._lines(rest)
        missing = [at for at in range(len(self.headings)) if at not in self.found]
        if missing:
            raise self._lacks(missing, rest)
        for at, values in sorted(self.found.items()):
            if len(values) > 1:
                raise self._bad("two answers", place=f"{self.headings[at]}: {sorted(values)}")
        scores = tuple(next(iter(self.found[at])) for at in range(len(self.headings)))
        return JudgeAnswer(scores, tuple(repair.value for repair in AnswerRepair if repair in self.repairs))

    def _mend(self, *repairs: AnswerRepair) -> None:
        self.repairs.update(repairs)

    # --- JSON

    def _json(self, text: str) -> str:
        """Take scores out of JSON; gives the text that is not JSON."""
        kept, said, at = [], [], 0
        for opening in _OPENING.finditer(text):
            start = opening.start()
            if start < at:
                continue
            try:
                _, end = _DECODER.raw_decode(text, start)
                value = parse_strict(text[start:end].encode("utf-8", "replace"))
            except RecordError as error:
                if "twice" in error.problem:
                    raise self._bad("two answers", place=str(error.got)) from None
                continue
            except (ValueError, RecursionError):
                continue
            if self._name.search(text, start, end):
                self._mend(AnswerRepair.JSON)
                said += self._walk(value, 0)
                kept.append(text[at:start])
                at = end
        return self._loose_json("\n".join((*kept, *(() if self.found else said), text[at:])))

    def _loose_json(self, text: str) -> str:
        """Return lines in place of what is nearly JSON."""
        start = text.find("{")
        cut = text.count("{") != text.count("}")
        if start < 0 or not (self._name.search(text, start) or (cut and AnswerRepair.JSON in self.repairs)):
            return text
        if cut:
            raise self._bad("cut short: the JSON of the answer does not end")
        self._mend(AnswerRepair.LOOSE_JSON)
        text = re.sub(rf"(?<=[0-9,{QUOTES}])[ \t]*(?://|#)[^{QUOTES}\n]*$", "", text, flags=re.MULTILINE)
        return re.sub(r"[{}]", "\n", re.sub(rf"(?<=[0-9{QUOTES}])\s*,\s*(?=[{QUOTES}])", "\n", text))

    def _walk(self, value: Any, depth: int) -> list[str]:
        """Take scores out of a value; gives its texts, one of which may be the whole answer."""
        if isinstance(value, str):
            return [value]
        if isinstance(value, list):
            return [text for item in value for text in self._walk(item, depth + 1)]
        texts: list[str] = []
        if isinstance(value, dict):
            named = [
                at for word in value.values() if isinstance(word, str) if (at := self._is(word)) is not None
            ]
            if len(named) == 1 and any(_is_score(key) for key in value):  # {"dimension": "...", "score": 4}
                self._json_score(named[0], value, entry=True)
                return []
            for key, item in value.items():
                at = self._is(key)
                if at is not None:
                    self._json_score(at, item)
                elif depth < 8:
                    texts += self._walk(item, depth + 1)
        return texts

    def _is(self, words: str) -> int | None:
        """Which dimension a whole text names."""
        shown, marks = _without_marks(words.strip())
        text = _EMPHASIS.sub("", shown)
        match = self._name.match(text)
        if match is None or not _BEHIND_KEY.fullmatch(text, match.end()) or _SOURCE.search(text):
            return None
        at = _which(match)
        self._mend(*marks, *([AnswerRepair.BOLD] if text != shown else ()))
        if text != self.headings[at]:
            self._mend(AnswerRepair.HEADING if "(" in text else AnswerRepair.SPELLING)
        return at

    def _json_score(self, at: int, value: Any, *, entry: bool = False) -> None:
        if isinstance(value, dict):
            inside = [key for key in value if _is_score(key)]
            if len(inside) != 1:
                raise self._bad("a score that is no number", place=self.headings[at])
            said = value[inside[0]]
            for key, other in value.items():
                same = {_plain(said), f"{self.scale.highest}" if _GREATEST.search(key) else None}
                if _RIVAL.search(key) and _plain(other) not in {None, *same}:
                    raise self._bad("two answers", place=f"{self.headings[at]}: {key} {str(other)[:80]}")
            if not entry:
                self._mend(AnswerRepair.LABEL)
            value = said
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise self._bad("a score that is no number", place=self.headings[at])
        if isinstance(value, str):
            if self.scale.template.fullmatch(value):
                self._mend(AnswerRepair.TEMPLATE)
                return
            self._mend(AnswerRepair.QUOTED)
        if not self._took(at, str(value).strip(), remarks=isinstance(value, str)):
            raise self._bad("a score that is no number", place=f"{self.headings[at]}: {str(value)[:80]}")

    # --- lines

    def _lines(self, text: str) -> None:
        """Take scores out of lines that begin with a heading, and of those below it."""
        above: int | None = None  # the heading that stands above
        bare = False  # whether a number alone would be its score, or another one
        scored = False  # whether its own line has a score, so that its part ends with a blank line
        for whole in text.splitlines():
            if not whole.strip() and scored:
                above = None
            shown, marks = _without_marks(whole.strip())
            shown = _EMPHASIS_ENDS.sub(" - ", shown)
            bare_words = _EMPHASIS.sub("", shown)
            plain, inner = _without_marks(bare_words)
            marks |= inner
            parts = [part.strip() for part in self._inside.sub("\n", plain).split("\n") if part.strip()]
            for line in parts:
                opened = len(line) - len(line.lstrip(QUOTES + "[("))
                match = self._name.match(line, opened)
                lead = _OF.match(line, opened)
                if match is None and lead and (match := self._name.match(line, lead.end())):
                    self._mend(AnswerRepair.LABEL)
                if match is None:
                    title = whole.lstrip().startswith("#") and not _LABEL.match(line)
                    if title or _OTHER_SECTION.match(line):
                        above = None
                    bare = above is not None and self._below(above, line, bare=bare)
                    continue
                above = _which(match)
                said = self._after(above, line[match.end() :])
                bare, scored = said is not False, said is True
                if scored:
                    self._mend(*marks, *([AnswerRepair.BOLD] if bare_words != shown else ()))
                    self._mend(*([AnswerRepair.QUOTED] if opened else ()))
                    self._mend(*([AnswerRepair.SPELLING] if match[0] != self.headings[above] else ()))
                    self._mend(*([AnswerRepair.ONE_LINE] if len(parts) > 1 else ()))

    def _after(self, at: int, text: str) -> bool | None:
        """Read what follows a heading on its line: whether that is a score; None where nothing follows."""
        rest = text.lstrip(QUOTES + "])")
        mends: set[AnswerRepair] = {AnswerRepair.QUOTED} if rest != text and rest[:1] != "" else set()
        if _SOURCE.match(rest.lstrip()):
            raise self._bad("a score of the source", place=f"{self.headings[at]}{rest[:80]}")
        if match := re.match(r"\s*(?:\([^()0-9]*\)|[/–—-]\s*liveness\b)", rest, re.IGNORECASE):
            rest = rest[match.end() :]
            mends.add(AnswerRepair.HEADING)
        if match := self.scale.in_heading.match(rest.lstrip()):
            rest = rest.lstrip()[match.end() :]
            mends.add(AnswerRepair.TEMPLATE)
        if match := re.match(r"\s*(?:score|rating)(?=\s*[:=→(\[0-9–—-])", rest, re.IGNORECASE):
            rest = rest[match.end() :]
            mends.add(AnswerRepair.LABEL)
        elif match := re.match(r"\s*\((?:score|rating)\s*[:=]?\s*(?=[0-9])", rest, re.IGNORECASE):
            rest = f" ({rest[match.end() :]}"
            mends.add(AnswerRepair.LABEL)
        separator = _SEPARATOR.match(rest)
        rest = rest[separator.end() if separator else 0 :].strip()
        if separator is None and rest[:1] not in "([":
            return None if not rest else False
        if separator is None or not separator[0].startswith(":"):
            mends.add(AnswerRepair.SEPARATOR)
        signed = separator is not None and separator["sign"] is not None
        if not rest:
            return None
        if self.scale.template.fullmatch(rest):
            self._mend(AnswerRepair.TEMPLATE)
            return False
        if self._took(at, rest, signed=signed):
            self._mend(*mends)
            return True
        return False

    def _below(self, at: int, line: str, *, bare: bool) -> bool:
        """Read a line below a heading: a score alone directly below, which is told, or one with its label."""
        label = _LABEL.match(line)
        if label and re.match(r"[\[({]?[0-9]", line[label.end() :]):
            if self._took(at, line[label.end() :].strip(), remarks=True):
                self._mend(AnswerRepair.LABEL, AnswerRepair.NEXT_LINE)
        elif bare and self._took(at, line, remarks=re.match(r"[0-9.]+\s*/\s*[0-9]", line) is not None):
            self._mend(AnswerRepair.NEXT_LINE)
            return True
        return False

    def _took(self, at: int, text: str, *, remarks: bool = False, signed: bool | None = None) -> bool:
        """Take the score that a text says; with `signed` the text stands behind the heading."""
        try:
            if signed is None:
                score = self.scale.read(text, remarks=remarks)
            else:
                score = self.scale.behind_heading(text, signed=signed)
        except AnswerError as error:
            place = f"{self.headings[at]}: {text[:80]}"
            raise self._bad(error.problem, wanted=error.wanted, place=place) from None
        if score is None:
            return False
        states = self.found.setdefault(at, set())
        self._mend(*score.repairs, *([AnswerRepair.SAME_TWICE] if score.value in states else ()))
        states.add(score.value)
        return True

    # --- errors

    def _lacks(self, missing: Sequence[int], text: str) -> AnswerError:
        """Return the error of an answer that lacks a dimension."""
        names = ", ".join(self.headings[at] for at in missing)
        last = (text.strip().splitlines() or [""])[-1].strip(" *-#").casefold()
        begun = any(self.headings[at].casefold().startswith(last.rstrip(": ")) for at in missing)
        refused = re.search(r"\b(?:cannot|can't|can not|unable|won't|sorry|decline)\b", text, re.IGNORECASE)
        if not self.found and refused:
            return self._bad("the judge refused")
        if last and self.found and begun:
            return self._bad("cut short", wanted=names)
        problem = "a dimension is missing" if self.found else "the answer has no scores"
        return self._bad(problem, wanted=names)

    def _bad(self, problem: str, *, wanted: object = None, place: str = "") -> AnswerError:
        where = " ".join(part for part in (self.where, f"({place})" if place else "") if part)
        return AnswerError(problem, got=self.answer[:_KEPT], wanted=wanted, where=where or None)


def _pattern(heading: str) -> str:
    """Return a pattern of a heading, whatever stands between its words."""
    words = re.findall(r"[A-Za-z0-9]+", heading.replace("&", " "))
    return r"[\s_\-–]*(?:(?:&|&amp;|and|/)[\s_\-]*)?".join(words)


def _which(match: re.Match[str]) -> int:
    return int(str(match.lastgroup)[1:])


def _plain(value: Any) -> str | None:
    """A number of JSON, or one in a text, in one form; None for anything else."""
    match = re.fullmatch(r"\s*(-?[0-9]+(?:[.][0-9]*[1-9])?)(?:[.]0*)?\s*(?:/\s*[0-9]+)?\s*", str(value))
    return None if match is None else match[1]


def _is_score(key: str) -> bool:
    return key.strip().casefold() in ("score", "rating", "value")


def _without_marks(line: str) -> tuple[str, set[AnswerRepair]]:
    """Return a line without bullets and numbers before its words, and which there were."""
    marks: set[AnswerRepair] = set()
    while True:
        if match := _BULLET.match(line):
            marks.add(AnswerRepair.BULLET)
        elif match := _NUMBERING.match(line):
            marks.add(AnswerRepair.NUMBERED)
        else:
            return line, marks
        line = line[match.end() :].lstrip()
