"""Reading a judge's answer: one whole number per dimension, a few repairs that are named, never a guess.

- The form that is asked for is one line `Heading: N` per dimension. What models write in its place is read
  where one reading alone is possible, and each way of writing it has a name in `AnswerRepair`.
- Every statement of a dimension's score counts: two that differ are an error, whichever comes last.
- 4.7, 6, "four", a range, a remark with another number, a table, a scale of 10 or an answer that was cut are
  errors that keep the answer. Failed is never a score.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sparkle.schemas.errors import AnswerError, RecordError
from sparkle.schemas.validate import parse_strict

_KEPT = 20_000  # characters of an answer that an error keeps, and that are read


class AnswerRepair(StrEnum):
    """What is not as it was asked for, and readable all the same."""

    THOUGHT = "thought left out"  # what comes before </think>
    FENCE = "fence"  # lines of ```
    JSON = "JSON"  # an object in place of lines
    LOOSE_JSON = "loose JSON"  # with a comma too many, or other quotes
    BOLD = "bold"  # emphasis of Markdown
    BULLET = "bullet"
    NUMBERED = "numbered"
    QUOTED = "quoted"  # a heading or a score in quotes, brackets or tags
    HEADING = "heading"  # the rubric's own, with its words in parentheses
    SPELLING = "spelling"  # other case, spaces, underscores
    SEPARATOR = "separator"  # = or a dash in place of the colon
    FULL_WIDTH = "full width"  # colons and digits of Chinese and Japanese fonts
    INVISIBLE = "invisible characters"
    LABEL = "label"  # "Score: 4", "4 points"
    OUT_OF = "out of the highest"  # 4/5
    DECIMALS = "decimals"  # 4.0
    REMARK = "remark left out"
    ONE_LINE = "one line"  # for several dimensions
    NEXT_LINE = "score on another line"
    TEMPLATE = "template left out"  # the form as it was asked for, repeated
    SAME_TWICE = "same twice"


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
    return _Reading(answer, tuple(headings), lowest, highest, where).read()


_ZERO_WIDTH = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad]")
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
_THOUGHTS = re.compile(r"</(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_THOUGHT = re.compile(r"<(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_TAG = re.compile(r"</?(?:answer|output|result|scores?|b|strong|br|p|li)\s*/?>", re.IGNORECASE)
_BULLET = re.compile(r"[-*•–—+·●▪◦#>]+\s+|#+|•")
_NUMBERING = re.compile(r"\(?(?:[0-9]{1,2}|[a-f])(?:[.):]+)\s+")
_EMPHASIS = re.compile(r"\*+|`+|__+|(?<!\w)_|_(?!\w)")
_QUOTES = "\"'“”‘’"
_WORDS = re.compile(
    r"[-\"'<(\[\s]*(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|nan|null|none|n/?a|unknown|undefined|"
    r"infinity|inf|not applicable|poor|fair|good|excellent|perfect|high|medium|low)\b[-\"'>)\]\s.,;]*$",
    re.IGNORECASE,
)
_HEDGE = re.compile(
    r"[~≈<>≤≥±+\-]|(?:about|approx\w*|around|between|maybe|perhaps|roughly|nearly|almost|at (?:most|least)|"
    r"(?:less|more) than|above|below|over|under|not)\b",
    re.IGNORECASE,
)
_NUMBER_WORD = re.compile(
    r"\b(?:or|to|maybe|perhaps|rather|almost|nearly|closer to|not|be|actually|is)\s+(?:an?\s+)?"
    r"(?:one|two|three|four|five)\b",
    re.IGNORECASE,
)
_BEHIND_KEY = re.compile(r"[\s_]*(?:\([^()0-9]*\))?[\s_]*(?:score|rating)?:?", re.IGNORECASE)
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_SPELT = re.compile(rf"(?P<word>{'|'.join(_NUMBERS)})\s*[(\[](?P<digit>[0-9])[)\]][.]?", re.IGNORECASE)
_LABEL = re.compile(r"(?:score|rating)\s*(?:[:=]|is)?\s*", re.IGNORECASE)
_SEPARATOR = re.compile(r"\s*(?P<sign>:|=>|=|->|→|[-–—](?=\s)|\bis(?=\s))\s*|\s+")
_OPENS_REMARK = re.compile(
    r"[.,;:(\[–—]|-\s|(?:because|since|as|with|but|although|though|due|for|while)\b", re.IGNORECASE
)
# Numbers of a remark that can be no other score.
_HARMLESS = re.compile(
    r"\bframes?\s+#?[0-9]+(?:\s*(?:-|–|to|and)\s*[0-9]+)?|"
    r"\b[0-9]+(?:[.][0-9]+)?\s*(?:frames?|seconds?|px|pixels|fps)\b",
    re.IGNORECASE,
)


@dataclass
class _Reading:
    """One answer while it is read."""

    answer: str
    headings: tuple[str, ...]
    lowest: int
    highest: int
    where: str
    repairs: dict[str, None] = field(default_factory=dict)
    found: dict[int, set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = sorted(range(len(self.headings)), key=lambda at: -len(self.headings[at]))
        patterns = [f"(?P<n{at}>{_pattern(self.headings[at])})" for at in names]
        name = f"(?:{'|'.join(patterns)})"
        self._name = re.compile(rf"{name}(?![A-Za-z])", re.IGNORECASE)
        self._inside = re.compile(
            rf"(?<=[,;|.0-9\])])(?:\s*(?:[/–—-]|and\b))?(?:\s+\(?[0-9][.)])?\s*"
            rf"(?={name}[{_QUOTES}]?\s*(?:\([^()]*\))?\s*[:=])",
            re.IGNORECASE,
        )
        any_name = "|".join(_pattern(heading) for heading in self.headings)
        self._tag = re.compile(rf"<(?P<name>{any_name})>(?P<said>[^<>\n]*)</(?P=name)>", re.IGNORECASE)
        form = rf"{self.lowest}\s*(?:-|–|to)\s*{self.highest}"
        self._template = re.compile(
            rf"[\[<(]*(?:an?\s+)?(?:whole\s+)?(?:number|score|integer)?\s*(?:from|between)?\s*{form}[\])>]*[.]?",
            re.IGNORECASE,
        )
        self._scale = re.compile(
            rf"\((?:score\s*)?(?:{form}|/\s*{self.highest}|out of {self.highest})\)", re.IGNORECASE
        )
        self._value = re.compile(
            rf"(?P<open>[\[({_QUOTES}]*)\s*(?P<number>[0-9]+(?:[.][0-9]+)?)[{_QUOTES}]?\s*"
            r"(?:(?:/|(?:out\s+)?of\b)\s*(?P<of>[0-9]+(?:[.][0-9]+)?|[a-z]+))?"
            rf"\s*(?P<unit>(?:points?|stars?)\b)?(?P<close>[\])}}{_QUOTES}]*)(?P<rest>.*)",
            re.IGNORECASE,
        )
        self._aside = re.compile(
            rf"(?:on\s+)?(?:a\s+)?scale\s+(?:of|from)\s+{form}|out\s+of\s+{self.highest}\b|[\[(]\s*{form}\s*[\])]",
            re.IGNORECASE,
        )

    def read(self) -> JudgeAnswer:
        if not self.answer.strip():
            raise self._bad("the judge answered nothing")
        if len(self.answer) > _KEPT:
            raise self._bad("the answer is too long", wanted=f"at most {_KEPT} characters")
        text = self._unwrapped()
        rest = self._json(text)
        self._lines(rest)
        missing = [at for at in range(len(self.headings)) if at not in self.found]
        if missing:
            raise self._lacks(missing, rest)
        for at, values in sorted(self.found.items()):
            if len(values) > 1:
                raise self._bad("two answers", place=f"{self.headings[at]}: {sorted(values)}")
        scores = tuple(next(iter(self.found[at])) for at in range(len(self.headings)))
        return JudgeAnswer(scores, tuple(name.value for name in AnswerRepair if name.value in self.repairs))

    # --- what is around the scores

    def _unwrapped(self) -> str:
        """Return the answer without thoughts, fences and characters that nobody sees."""
        text = self.answer
        *thoughts, rest = _THOUGHTS.split(text)
        if thoughts:
            self._mend(AnswerRepair.THOUGHT)
            text = rest
        if _THOUGHT.search(text):
            raise self._bad("cut short: the answer ends in its thoughts")
        text = self._replaced(AnswerRepair.INVISIBLE, text, _ZERO_WIDTH.sub("", text))
        text = self._replaced(AnswerRepair.FULL_WIDTH, text, text.translate(_FULL_WIDTH))
        text = self._replaced(AnswerRepair.QUOTED, text, _TAG.sub("\n", text))
        tagged = self._tag.sub(lambda tag: f"\n{tag['name']}: {tag['said']}\n", text)
        text = self._replaced(AnswerRepair.QUOTED, text, tagged)
        fences = re.sub(r"^[ \t>]*```.*$", "", text, flags=re.MULTILINE)
        return self._replaced(AnswerRepair.FENCE, text, fences)

    def _replaced(self, repair: AnswerRepair, before: str, after: str) -> str:
        if before != after:
            self._mend(repair)
        return after

    def _mend(self, repair: AnswerRepair) -> None:
        self.repairs[repair.value] = None

    # --- JSON

    def _json(self, text: str) -> str:
        """Take scores out of a JSON object or list; gives the text that is not JSON."""
        start, end = text.find("{"), text.rfind("}") + 1
        if start < 0 or not self._name.search(text, start):
            return text
        if text.count("{") != text.count("}") or end < start:
            raise self._bad("cut short: the JSON of the answer does not end")
        if text[:start].rstrip().endswith("[") and text[end:].lstrip().startswith("]"):
            start, end = text.rindex("[", 0, start), text.index("]", end) + 1
        try:
            value = parse_strict(text[start:end].encode("utf-8", "replace"))
        except RecordError as error:
            if "twice" in error.problem:
                raise self._bad("two answers", place=str(error.got)) from None
            self._mend(AnswerRepair.LOOSE_JSON)
            return re.sub(r"[{}]", "\n", re.sub(rf"(?<=[0-9{_QUOTES}])\s*,\s*(?=[{_QUOTES}])", "\n", text))
        self._mend(AnswerRepair.JSON)
        self._walk(value, 0)
        return f"{text[:start]}\n{text[end:]}"

    def _walk(self, value: Any, depth: int) -> None:
        if isinstance(value, list):
            for item in value:
                self._walk(item, depth + 1)
        elif isinstance(value, dict):
            words = (word for word in value.values() if isinstance(word, str))
            named = [at for word in words if (at := self._is(word)) is not None]
            inside = [key for key in value if _is_score(key)]
            if len(named) == 1 and len(inside) == 1:  # {"dimension": "...", "score": 4}
                self._json_score(named[0], value[inside[0]])
                return
            for key, item in value.items():
                at = self._is(key)
                if at is not None:
                    self._json_score(at, item)
                elif depth < 8:
                    self._walk(item, depth + 1)

    def _is(self, words: str) -> int | None:
        """Which dimension a whole text names."""
        text = words.strip()
        match = self._name.match(text)
        if match is None or not _BEHIND_KEY.fullmatch(text, match.end()):
            return None
        at = _which(match)
        if text != self.headings[at]:
            self._mend(AnswerRepair.HEADING if "(" in text else AnswerRepair.SPELLING)
        return at

    def _json_score(self, at: int, value: Any) -> None:
        if isinstance(value, dict):
            inside = [key for key in value if _is_score(key)]
            if len(inside) != 1:
                raise self._bad("a score that is no number", place=self.headings[at])
            self._mend(AnswerRepair.LABEL)
            value = value[inside[0]]
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise self._bad("a score that is no number", place=self.headings[at])
        if isinstance(value, str):
            self._mend(AnswerRepair.QUOTED)
        if not self._state(at, str(value).strip(), remarks=isinstance(value, str)):
            raise self._bad("a score that is no number", place=f"{self.headings[at]}: {str(value)[:80]}")

    # --- lines

    def _lines(self, text: str) -> None:
        """Take scores out of lines that begin with a heading."""
        pending: int | None = None  # the heading that stands above
        bare = False  # whether nothing but that heading was said
        for whole in text.splitlines():
            shown, marks = _without_marks(whole.strip())
            bare_words = _EMPHASIS.sub("", shown)
            plain, inner = _without_marks(bare_words)
            marks |= inner
            parts = [part.strip() for part in self._inside.sub("\n", plain).split("\n") if part.strip()]
            for line in parts:
                match = self._name.match(line.lstrip(_QUOTES + "[("))
                if match is None:
                    said = pending is not None and self._below(pending, line, bare=bare)
                    pending, bare = None if said and bare else pending, False
                    continue
                at = _which(match)
                opened = len(line) - len(line.lstrip(_QUOTES + "[("))
                scored = self._after(at, line[opened + match.end() :])
                pending, bare = (None, False) if scored is True else (at, scored is None)
                if scored:
                    self._wrote(match, at, marks, bold=bare_words != shown, quoted=opened > 0)
                    if len(parts) > 1:
                        self._mend(AnswerRepair.ONE_LINE)

    def _wrote(
        self, match: re.Match[str], at: int, marks: set[AnswerRepair], *, bold: bool, quoted: bool
    ) -> None:
        """Write down how a line with a score was written."""
        for repair in marks:
            self._mend(repair)
        if bold:
            self._mend(AnswerRepair.BOLD)
        if quoted:
            self._mend(AnswerRepair.QUOTED)
        if match[0] != self.headings[at]:
            self._mend(AnswerRepair.SPELLING)

    def _after(self, at: int, text: str) -> bool | None:
        """Read what follows a heading on its line: whether that is a score; None where nothing follows."""
        rest = text.lstrip(_QUOTES + "])")
        mends: set[AnswerRepair] = {AnswerRepair.QUOTED} if rest != text and rest[:1] != "" else set()
        if match := re.match(r"\s*\([^()0-9]*\)", rest):
            rest = rest[match.end() :]
            mends.add(AnswerRepair.HEADING)
        if match := self._scale.match(rest.lstrip()):
            rest = rest.lstrip()[match.end() :]
            mends.add(AnswerRepair.TEMPLATE)
        if match := re.match(r"\s*(?:score|rating)(?=\s*[:=(\[0-9-])", rest, re.IGNORECASE):
            rest = rest[match.end() :]
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
        if self._template.fullmatch(rest):
            self._mend(AnswerRepair.TEMPLATE)
            return False
        if match := _LABEL.match(rest):
            rest = rest[match.end() :]
            mends.add(AnswerRepair.LABEL)
        if match := re.fullmatch(r"<\s*([0-9.]+)\s*>[.,;]?", rest):
            rest = match[1]
            mends.add(AnswerRepair.QUOTED)
        if (match := _SPELT.fullmatch(rest)) and _NUMBERS[match["word"].casefold()] == int(match["digit"]):
            rest = match["digit"]
            mends.add(AnswerRepair.LABEL)
        if _WORDS.match(rest):
            raise self._bad("a score that is no number", place=f"{self.headings[at]}: {rest[:80]}")
        scored = self._state(at, rest, remarks=signed) or self._at_the_end(at, rest)
        if scored:
            for repair in mends:
                self._mend(repair)
        elif re.search("[0-9]", rest) and (len(rest.split()) < 4 or (signed and _HEDGE.match(rest))):
            raise self._bad("a score that is no number", place=f"{self.headings[at]}: {rest[:80]}")
        return scored

    def _below(self, at: int, line: str, *, bare: bool) -> bool:
        """Read a line below a heading: a score alone directly below, or one with its label anywhere."""
        label = _LABEL.match(line)
        if label and re.match(r"[\[({]?[0-9]", line[label.end() :]):
            self._mend(AnswerRepair.LABEL)
            if self._state(at, line[label.end() :].strip(), remarks=True):
                self._mend(AnswerRepair.NEXT_LINE)
                return True
        if bare and self._state(at, line, remarks=False):
            self._mend(AnswerRepair.NEXT_LINE)
            return True
        return False

    def _at_the_end(self, at: int, text: str) -> bool:
        """Read words that end with their score: `Fine edges. Score: 4`, `Fine edges (4/5)`."""
        ways = (
            r"\b(?:score|rating)\s*(?:[:=]|is)?\s*(?P<value>[0-9][0-9./ ]*)[.)\]]*",
            rf"(?P<value>\b[0-9]+(?:[.][0-9]+)?\s*/\s*{self.highest})[.)\]]*",
        )
        for way in ways:
            match = re.search(f"{way}$", text, re.IGNORECASE)
            before = "" if match is None else _HARMLESS.sub("", text[: match.start()])
            if match and len(before.split()) > 1 and not re.search("[0-9]", before):
                self._mend(AnswerRepair.REMARK)
                return self._state(at, match["value"].strip().rstrip("."), remarks=False)
        return False

    # --- one score

    def _state(self, at: int, text: str, *, remarks: bool) -> bool:
        """Take a score that a text begins with; False where it begins with something else."""
        match = self._value.match(text)
        if match is None:
            return False
        place = f"{self.headings[at]}: {text[:80]}"
        rest = match["rest"].strip()
        if not remarks and rest.strip(".,; ") and not (match["open"] and rest in ")]"):
            return False
        number, of = match["number"], match["of"]
        if of is not None:
            words = {"ten": 10, "five": 5, "hundred": 100}
            scale = words.get(of.lower()) if of.isalpha() else float(of)
            if scale is None and rest:  # "4 of the windows"
                raise self._bad("ambiguous: a number that may be no score", place=place)
            if scale != self.highest:
                raise self._bad("another scale", wanted=f"{self.lowest} to {self.highest}", place=place)
            self._mend(AnswerRepair.OUT_OF)
        self._remark(rest.strip(f"{_QUOTES}.,;|}} "), rest, float(number), place)
        value = float(number)
        if not self.lowest <= value <= self.highest:
            raise self._bad("out of the scale", wanted=f"{self.lowest} to {self.highest}", place=place)
        if value != int(value):
            raise self._bad("out of the scale: not a whole number", wanted="a whole number", place=place)
        if match["unit"]:
            self._mend(AnswerRepair.LABEL)
        if number.startswith("0"):
            self._mend(AnswerRepair.SPELLING)
        if "." in number:
            self._mend(AnswerRepair.DECIMALS)
        if match["open"] or match["close"]:
            self._mend(AnswerRepair.QUOTED)
        states = self.found.setdefault(at, set())
        if int(value) in states:
            self._mend(AnswerRepair.SAME_TWICE)
        states.add(int(value))
        return True

    def _remark(self, words: str, whole: str, score: float, place: str) -> None:
        """Let a remark behind a score pass that can hold no other score."""
        if not words:
            if whole.strip(f"{_QUOTES}.,;|}} "):
                raise self._bad("ambiguous: what follows a score", place=place)
            return
        said = _HARMLESS.sub("", self._aside.sub("", words))
        spelt = _NUMBERS.get(said.strip("()[]-–—:=,. ").casefold())
        if spelt is not None and spelt != score:
            raise self._bad("two answers", place=place)
        opened = _OPENS_REMARK.match(whole) or whole[:1] in _QUOTES
        if not opened or re.search(r"[0-9½¼¾]", said) or _NUMBER_WORD.search(said):
            raise self._bad("ambiguous: what follows a score", place=place)
        if not re.search(r"\w", said) and said.strip("()[] "):
            raise self._bad("ambiguous: what follows a score", place=place)
        self._mend(AnswerRepair.REMARK)

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
