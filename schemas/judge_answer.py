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
from typing import Any

from sparkle.schemas.answer_text import AnswerRepair, text_of_answer
from sparkle.schemas.errors import AnswerError, RecordError
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
    return _Reading(answer, tuple(headings), lowest, highest, where).read()


# Signs that decorate. Not among them: stars, question marks and the digits in circles.
_SIGN = "\u2600-\u2604\u2607-\u2752\u2756-\u2775\u2794-\u27bf\U0001f300-\U0001f51e\U0001f520-\U0001faff"
_SIGNS = re.compile(f"[{_SIGN}]+")
_LETTERS = "(?=[A-Za-z\"“'*_\\[])"
_BULLET = re.compile(
    rf"[-*•–—+·●▪◦‣#>\u25a0-\u25ff{_SIGN}]+\s+|[-•–—+·‣>\u25a0-\u25ff{_SIGN}]+{_LETTERS}|#+|•"
)
_NUMBERING = re.compile(
    rf"\(?(?:[0-9]{{1,2}}|[a-f]|[ivx]{{1,4}})[.):]+(?:\s+|{_LETTERS})|#[0-9]+[.):]*\s+|"
    r"(?:dimension|criterion)\s+[0-9]\s*[-–—:.)]\s*|[0-9]\u20e3\s*|[\u2460-\u2473\u2776-\u2793]\s*(?=[A-Za-z])",
    re.IGNORECASE,
)
_EMPHASIS = re.compile(r"\*+|`+|__+|(?<!\w)_|_(?!\w)")
_EMPHASIS_ENDS = re.compile(r"(?<=[0-9])(?:(?:\*+|__)\s+(?=[A-Z])|\s+[*_](?=[A-Za-z]))")  # before a remark
_QUOTES = "\"'“”‘’"
_ENDS = f"{_QUOTES}.,;|}}!\\ "
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
_OF = re.compile(r"(?:the\s+)?(?:score|rating)\s+(?:for|of)\s+(?:the\s+)?", re.IGNORECASE)
_LABEL = re.compile(r"(?:score|rating)\s*(?:[:=]|is)?\s*", re.IGNORECASE)
_LEAD = re.compile(  # which can only stand behind a heading: "a 4", "Level 4", "I give it a 4"
    r"(?:(?:(?:my|the|final)\s+)*(?:score|rating|grade|level)\s*(?:[:=]|is)?\s*"
    r"|i\s+(?:would\s+)?(?:give|rate)\s+(?:it|this)\s+)?(?:an?\s+(?=[0-9]))?",
    re.IGNORECASE,
)
_SOURCE = re.compile(
    r"\(\s*(?:the\s+)?(?:source|original|input|reference|unedited|before)(?:\s+\w+)?\s*\)", re.I
)
_SEPARATOR = re.compile(
    r"\s*(?P<sign>::?|=>|=|->|→|\.{3,}|[-–—](?=\s)|\bis(?=\s))\s*|\s+",
)
_OPENS_REMARK = re.compile(
    r"[.,;:(\[–—]|-\s|(?:because|since|as|with|but|although|though|due|for|while)\b", re.IGNORECASE
)
# Numbers of a remark that can be no other score.
_HARMLESS = re.compile(
    r"\b(?:frame|second)s?\s+#?[0-9]+(?:\s*(?:-|–|to|and)\s*[0-9]+)?|"
    r"\b[0-9]+(?:[.][0-9]+)?\s*(?:frames?|seconds?|secs?|s|ms|px|pixels|fps)\b|"
    r"\b(?:[0-9]+(?:[.][0-9]+)?\s*%|[0-9]+(?:st|nd|rd|th))(?=\s+[a-z])|"
    r"\b(?:[0-9]{3,4}p|[23]D|[248]K|(?:1[5-9]|20)[0-9]{2}s?)\b",
    re.IGNORECASE,
)
_STARS = re.compile(r"([★⭐🌟]+)[☆✩]*|[☆✩]+")
_AT_THE_END = (  # of a sentence of its own: "the maximum score: 5" is none
    r"(?:[.;,!)|—–-]\s*|\()(?:(?:so|hence|thus|therefore|my|the|final)\s+)*(?:score|rating)\s*(?:[:=]|is)?\s*"
    r"(?P<value>[0-9][0-9./ ]*)[.)\]]*",
    r"(?:→|->|=>)\s*(?P<value>[0-9][0-9./ ]*)[.)\]]*",
)
_SCALE_SAID = re.compile(
    r"\bscale\b[^0-9\n]{0,15}(?P<low>[0-9]+)\s*(?:-|–|to)\s*(?P<high>[0-9]+)|"
    r"\bscale\s+of\s+(?P<of>[0-9]{2,})|\b(?P<points>[0-9]+)-point\s+scale|"
    r"\b(?:scores|ratings)\b[^0-9\n:]{0,20}\bout\s+of\s+(?P<out>[0-9]+)",
    re.IGNORECASE,
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
    lowest: int
    highest: int
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
            r"\s*(?P<unit>(?:points?|stars?)\b|[★⭐🌟](?![★⭐🌟☆✩]))?"
            rf"(?P<close>[\])}}{_QUOTES}]*)(?P<rest>.*)",
            re.IGNORECASE,
        )
        of_scale = (
            rf"(?:on\s+)?(?:a\s+)?scale\s+(?:of|from)\s+(?:{form}|{self.highest})\b|"
            rf"(?:on\s+)?a\s+{form}\s+scale\b|out\s+of\s+{self.highest}\b"
        )
        self._aside = re.compile(rf"{of_scale}|[\[(]\s*(?:{of_scale}|{form})\s*[\])]", re.IGNORECASE)

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
        self._refuse_another_scale(tagged)
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

    def _refuse_another_scale(self, text: str) -> None:
        for said in _SCALE_SAID.finditer(text):
            most = next(said[name] for name in ("high", "of", "points", "out") if said[name])
            if float(most) != self.highest or float(said["low"] or self.lowest) != self.lowest:
                wanted = f"{self.lowest} to {self.highest}"
                raise self._bad("another scale", wanted=wanted, place=said[0])

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
            text = re.sub(rf"(?<=[0-9,{_QUOTES}])[ \t]*(?://|#).*$", "", text, flags=re.MULTILINE)
            return re.sub(r"[{}]", "\n", re.sub(rf"(?<=[0-9{_QUOTES}])\s*,\s*(?=[{_QUOTES}])", "\n", text))
        self._mend(AnswerRepair.JSON)
        said = self._walk(value, 0)
        return "\n".join((text[:start], *(() if self.found else said), text[end:]))

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
        text = words.strip()
        match = self._name.match(text)
        if match is None or not _BEHIND_KEY.fullmatch(text, match.end()) or _SOURCE.search(text):
            return None
        at = _which(match)
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
                same = {_plain(said), f"{self.highest}" if _GREATEST.search(key) else None}
                if _RIVAL.search(key) and _plain(other) not in {None, *same}:
                    raise self._bad("two answers", place=f"{self.headings[at]}: {key} {str(other)[:80]}")
            if not entry:
                self._mend(AnswerRepair.LABEL)
            value = said
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise self._bad("a score that is no number", place=self.headings[at])
        if isinstance(value, str):
            self._mend(AnswerRepair.QUOTED)
        if not self._state(at, str(value).strip(), remarks=isinstance(value, str)):
            raise self._bad("a score that is no number", place=f"{self.headings[at]}: {str(value)[:80]}")

    # --- lines

    def _lines(self, text: str) -> None:
        """Take scores out of lines that begin with a heading, and of those below it."""
        above: int | None = None  # the heading that stands above
        bare = False  # whether nothing but that heading was said
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
                opened = len(line) - len(line.lstrip(_QUOTES + "[("))
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
                bare, scored = said is None, said is True
                if scored:
                    self._mend(*marks, *([AnswerRepair.BOLD] if bare_words != shown else ()))
                    self._mend(*([AnswerRepair.QUOTED] if opened else ()))
                    self._mend(*([AnswerRepair.SPELLING] if match[0] != self.headings[above] else ()))
                    self._mend(*([AnswerRepair.ONE_LINE] if len(parts) > 1 else ()))

    def _after(self, at: int, text: str) -> bool | None:
        """Read what follows a heading on its line: whether that is a score; None where nothing follows."""
        rest = text.lstrip(_QUOTES + "])")
        mends: set[AnswerRepair] = {AnswerRepair.QUOTED} if rest != text and rest[:1] != "" else set()
        if _SOURCE.match(rest.lstrip()):
            raise self._bad("a score of the source", place=f"{self.headings[at]}{rest[:80]}")
        if match := re.match(r"\s*(?:\([^()0-9]*\)|[/–—-]\s*liveness\b)", rest, re.IGNORECASE):
            rest = rest[match.end() :]
            mends.add(AnswerRepair.HEADING)
        if match := self._scale.match(rest.lstrip()):
            rest = rest.lstrip()[match.end() :]
            mends.add(AnswerRepair.TEMPLATE)
        if match := re.match(r"\s*(?:score|rating)(?=\s*[:=(\[0-9-])", rest, re.IGNORECASE):
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
        if self._template.fullmatch(rest):
            self._mend(AnswerRepair.TEMPLATE)
            return False
        lead = _LEAD.match(rest)
        if lead and lead[0]:
            rest = rest[lead.end() :]
            mends.add(AnswerRepair.LABEL)
        if match := re.fullmatch(r"<\s*([0-9.]+)\s*>[.,;]?", rest):
            rest = match[1]
            mends.add(AnswerRepair.QUOTED)
        if (match := _SPELT.fullmatch(rest)) and _NUMBERS[match["word"].casefold()] == int(match["digit"]):
            rest = match["digit"]
            mends.add(AnswerRepair.LABEL)
        if _WORDS.match(rest):
            raise self._bad("a score that is no number", place=f"{self.headings[at]}: {rest[:80]}")
        closed = re.match(r"[(\[][0-9./ ]+[)\]]", rest) is not None
        if self._state(at, rest, remarks=signed or closed) or self._at_the_end(at, rest):
            self._mend(*mends)
            return True
        if re.search("[0-9]", rest) and (len(rest.split()) < 4 or (signed and _HEDGE.match(rest))):
            raise self._bad("a score that is no number", place=f"{self.headings[at]}: {rest[:80]}")
        return False

    def _below(self, at: int, line: str, *, bare: bool) -> bool:
        """Read a line below a heading: a score alone directly below, which is told, or one with its label."""
        label = _LABEL.match(line)
        if label and re.match(r"[\[({]?[0-9]", line[label.end() :]):
            if self._state(at, line[label.end() :].strip(), remarks=True):
                self._mend(AnswerRepair.LABEL, AnswerRepair.NEXT_LINE)
        elif bare and self._state(at, line, remarks=False):
            self._mend(AnswerRepair.NEXT_LINE)
            return True
        return False

    def _at_the_end(self, at: int, text: str) -> bool:
        """Read words that end with their score: `Fine edges. Score: 4`, `Fine edges (4/5)`."""
        of_highest = rf"[(\[.,;:–—-]\s*(?P<value>\b[0-9]+(?:[.][0-9]+)?\s*/\s*{self.highest})[.)\]]*"
        for way in (*_AT_THE_END, of_highest):
            match = re.search(f"{way}$", text, re.IGNORECASE)
            before = "" if match is None else _HARMLESS.sub("", text[: match.start()])
            if (
                match
                and (_STARS.search(before) or len(before.split()) > 1)
                and not re.search("[0-9½¼¾]", before)
            ):
                self._without_stars(before, float(re.split(r"[/ ]", match["value"])[0].rstrip(".")), text)
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
        value, scale = float(number), f"{self.lowest} to {self.highest}"
        if of is not None:
            words = {"ten": 10, "five": 5, "hundred": 100}
            most = words.get(of.lower()) if of.isalpha() else float(of)
            if most is None and rest:  # "4 of the windows"
                raise self._bad("ambiguous: a number that may be no score", place=place)
            if most != self.highest:
                raise self._bad("another scale", wanted=scale, place=place)
            self._mend(AnswerRepair.OUT_OF)
        if aside := self._aside.match(rest):
            rest = rest[aside.end() :].strip()
            self._mend(AnswerRepair.OUT_OF)
        self._remark(rest, value, place)
        if not self.lowest <= value <= self.highest:
            raise self._bad("out of the scale", wanted=scale, place=place)
        if value != int(value):
            raise self._bad("out of the scale: not a whole number", wanted="a whole number", place=place)
        states = self.found.setdefault(at, set())
        for repair, needed in (
            (AnswerRepair.LABEL, match["unit"]),
            (AnswerRepair.SPELLING, number.startswith("0")),
            (AnswerRepair.DECIMALS, "." in number),
            (AnswerRepair.QUOTED, match["open"] or match["close"]),
            (AnswerRepair.SAME_TWICE, int(value) in states),
        ):
            if needed:
                self._mend(repair)
        states.add(int(value))
        return True

    def _remark(self, rest: str, score: float, place: str) -> None:
        """Let a remark behind a score pass that can hold no other score."""
        whole = _SIGNS.sub(" ", self._without_stars(rest, score, place))
        opened = _OPENS_REMARK.match(whole) or whole[:1] in _QUOTES or whole[:1] == " "
        said = _HARMLESS.sub("", self._aside.sub("", whole.strip(_ENDS)))
        spelt = _NUMBERS.get(said.strip("()[]-–—:=,. ").casefold())
        if spelt is not None and spelt != score:
            raise self._bad("two answers", place=place)
        if not rest.strip(_ENDS):
            return
        if re.fullmatch(rf"\({score:g}(?:\s*/\s*{self.highest})?\)", said):
            said = ""
        bad = re.search(r"[0-9½¼¾]", said) or _NUMBER_WORD.search(said)
        if (said and not opened) or bad or (not re.search(r"\w", said) and said.strip("()[] ")):
            raise self._bad("ambiguous: what follows a score", place=place)
        self._mend(AnswerRepair.REMARK)

    def _without_stars(self, text: str, score: float, place: str) -> str:
        """Return a text without stars that say the score once more."""
        for stars in _STARS.findall(text):
            if len(stars) != score:
                raise self._bad("two answers", place=place)
        return _STARS.sub(" ", text)

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
