"""Reading one score: a whole number on a scale, and what may stand before and behind it.

A fraction, a range, a number of another scale, or words that could hold another score make it an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from sparkle.schemas.answer_text import AnswerRepair
from sparkle.schemas.errors import AnswerError

QUOTES = "\"'“”‘’"
# Signs that decorate. Not among them: stars, question marks and the digits in circles.
SIGNS = "\u2600-\u2604\u2607-\u2752\u2756-\u2775\u2794-\u27bf\U0001f300-\U0001f51e\U0001f520-\U0001faff"
_ENDS = f"{QUOTES}.,;|}}!\\ "
_STARS = re.compile(r"([★⭐🌟]+)[☆✩]*|[☆✩]+")
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_SPELT = re.compile(rf"(?P<word>{'|'.join(_NUMBERS)})\s*[(\[](?P<digit>[0-9])[)\]][.]?", re.IGNORECASE)
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
    r"(?:one|two|three|four|five)\b|\b(?:two|three|four|five)\W*$",
    re.IGNORECASE,
)
_LEAD = re.compile(  # "a 4", "Level 4", "I give it a 4"
    r"(?:(?:(?:my|the|final|an?)\s+)*(?:score|rating|grade|level|rated(?=\s))\s*(?:[:=]|is|of\b)?\s*"
    r"|i\s+(?:would\s+)?(?:give|rate)\s+(?:it|this)\s+)?(?:an?\s+(?=[0-9]))?",
    re.IGNORECASE,
)
_OPENS_REMARK = re.compile(
    r"[.,;:(\[–—|#=→]|-\s|->|//|(?:because|since|as|with|but|although|though|due|for|while)\b", re.IGNORECASE
)
_HARMLESS = re.compile(  # numbers of a remark that can be no other score
    r"\b(?:frame|second)s?\s+#?[0-9]+(?:\s*(?:-|–|to|and)\s*[0-9]+)?|"
    r"\b[0-9]+(?:[.][0-9]+)?\s*(?:frames?|seconds?|secs?|s|ms|px|pixels|fps)\b|"
    r"\b(?:[0-9]+(?:[.][0-9]+)?\s*%|[0-9]+(?:st|nd|rd|th))(?=\s+[a-z])|"
    r"\b(?:[0-9]{3,4}p|[23]D|[248]K|(?:1[5-9]|20)[0-9]{2}s?)\b",
    re.IGNORECASE,
)
_SCALE_SAID = re.compile(
    r"\b(?:scale\b[^0-9\n]{0,15}|(?:scores|ratings)\s*[(\[])(?P<low>[0-9]+)\s*(?:-|–|to)\s*(?P<high>[0-9]+)|"
    r"\b(?P<from>[0-9]+)\s*(?:-|–|to)\s*(?P<to>[0-9]+)\s+scale\b|"
    r"\b(?:scale\s+of\s+|(?:scale|max(?:imum)?[_ ]score)[\"']?\s*[:=]\s*[\"']?)(?P<of>[0-9]{2,})|"
    r"\b(?P<points>[0-9]+)-point\s+scale|"
    r"\b(?:scores|ratings)\b[^0-9\n:]{0,20}\bout\s+of\s+(?P<out>[0-9]+)",
    re.IGNORECASE,
)
_NUMBER = "[0-9]+(?:[.][0-9]+)?"


@dataclass(frozen=True)
class Score:
    """A score, and what was mended to read it."""

    value: int
    repairs: frozenset[AnswerRepair]


@dataclass(frozen=True)
class Scale:
    """The scores that there are. What is read and is no score raises AnswerError, whose got is the text."""

    lowest: int
    highest: int

    @property
    def _form(self) -> str:
        return rf"{self.lowest}\s*(?:-|–|to)\s*{self.highest}"

    @cached_property
    def template(self) -> re.Pattern[str]:
        """What the form has in the place of a score."""
        return re.compile(
            r"[\[<(]*(?:an?\s+)?(?:whole\s+)?(?:number|score|integer)?\s*(?:from|between)?\s*"
            rf"{self._form}[\])>]*[.]?",
            re.IGNORECASE,
        )

    @cached_property
    def in_heading(self) -> re.Pattern[str]:
        """The scale as it stands behind a heading: `(1-5)`."""
        return re.compile(
            rf"\((?:score\s*)?(?:{self._form}|/\s*{self.highest}|out of {self.highest})\)", re.IGNORECASE
        )

    @cached_property
    def _aside(self) -> re.Pattern[str]:
        of = (
            rf"(?:on\s+)?(?:a\s+)?scale\s+(?:of|from)\s+(?:{self._form}|{self.highest})\b|"
            rf"(?:on\s+)?a\s+{self._form}\s+scale\b|(?:out\s+)?of\s+{self.highest}\b"
        )
        return re.compile(rf"{of}|[\[(]\s*(?:{of}|{self._form})\s*[\])]", re.IGNORECASE)

    @cached_property
    def _value(self) -> re.Pattern[str]:
        return re.compile(
            rf"(?P<open>[\[({QUOTES}]*)\s*(?P<number>{_NUMBER})[{QUOTES}]?\s*"
            rf"(?:(?:/|(?:out\s+)?of\b)\s*(?P<of>{_NUMBER}|[a-z]+))?"
            r"\s*(?P<unit>(?:points?|pts?|stars?)\b|[★⭐🌟](?![★⭐🌟☆✩]))?"
            rf"(?P<close>[\])}}{QUOTES}]*)(?P<rest>.*)",
            re.IGNORECASE,
        )

    @cached_property
    def _last(self) -> re.Pattern[str]:
        # Of a sentence of its own: "below the maximum score: 5" says none.
        labelled = r"(?:so|hence|thus|therefore|my|the|final)\s+"
        return re.compile(
            rf"(?:(?:[.;,!)|(—–-]\s*(?:{labelled})*(?:score|rating)\s*(?:[:=]|is)?|→|->|=>)\s*(?P<labelled>"
            rf"{_NUMBER}(?:\s*/\s*[0-9.]+)?)|[(\[.,;:–—-]\s*(?P<bare>{_NUMBER}\s*/\s*{self.highest}))[.)\]]*$",
            re.IGNORECASE,
        )

    def refuse_another(self, text: str) -> None:
        """Raise where a text says that it scores on another scale."""
        for said in _SCALE_SAID.finditer(text):
            most = next(said[name] for name in ("high", "to", "of", "points", "out") if said[name])
            least = said["low"] or said["from"] or self.lowest
            if (float(least), float(most)) != (self.lowest, self.highest):
                raise self._another(said[0])

    def behind_heading(self, text: str, *, signed: bool) -> Score | None:
        """Return the score that a text behind a heading says, None for prose.

        `signed` tells that a colon or the like stands between them.
        """
        repairs: set[AnswerRepair] = set()
        rest = text
        if (lead := _LEAD.match(rest)) and lead[0]:
            rest = rest[lead.end() :]
            repairs.add(AnswerRepair.LABEL)
        if match := re.fullmatch(r"<\s*([0-9.]+)\s*>[.,;]?", rest):
            rest = match[1]
            repairs.add(AnswerRepair.QUOTED)
        if (match := _SPELT.fullmatch(rest)) and _NUMBERS[match["word"].casefold()] == int(match["digit"]):
            rest = match["digit"]
            repairs.add(AnswerRepair.LABEL)
        if _WORDS.match(rest):
            raise AnswerError("a score that is no number", got=text)
        closed = re.match(r"[(\[][0-9./ ]+[)\]]", rest) is not None
        score = self.read(rest, remarks=signed or closed) or self._behind_words(rest)
        if score is not None:
            return Score(score.value, score.repairs | repairs)
        if re.search("[0-9]", rest) and (len(rest.split()) < 4 or (signed and _HEDGE.match(rest))):
            raise AnswerError("a score that is no number", got=text)
        return None

    def _behind_words(self, text: str) -> Score | None:
        """Return the score that ends a text: `Fine edges. Score: 4`, `Fine edges (4/5)`."""
        match = self._last.search(text)
        before = "" if match is None else _HARMLESS.sub("", text[: match.start()])
        if match is None or not (_STARS.search(before) or len(before.split()) > 1):
            return None
        if re.search("[0-9½¼¾]", before):
            return None
        score = self.read(match["labelled"] or match["bare"], remarks=False)
        if score is None:
            return None
        self._without_stars(before, score.value)
        return Score(score.value, score.repairs | {AnswerRepair.REMARK})

    def read(self, text: str, *, remarks: bool) -> Score | None:
        """Return the score that a text begins with, None where it begins with something else."""
        match = self._value.match(text)
        if match is None:
            return None
        rest = match["rest"].strip()
        if not remarks and rest.strip(".,; ") and not (match["open"] and rest in ")]"):
            return None
        number, of = match["number"], match["of"]
        value = float(number)
        if of is not None:
            most = {"ten": 10, "five": 5, "hundred": 100}.get(of.lower()) if of.isalpha() else float(of)
            if most is None and rest:  # "4 of the windows"
                raise AnswerError("ambiguous: a number that may be no score", got=text)
            if most != self.highest:
                raise self._another(text)
        aside = self._aside.match(rest)
        rest = rest[aside.end() if aside else 0 :].strip()
        remark = self._has_remark(rest, value)
        if not self.lowest <= value <= self.highest:
            raise AnswerError("out of the scale", got=text, wanted=f"{self.lowest} to {self.highest}")
        if value != int(value):
            raise AnswerError("out of the scale: not a whole number", got=text, wanted="a whole number")
        mended = {
            AnswerRepair.OUT_OF: of is not None or aside,
            AnswerRepair.REMARK: remark,
            AnswerRepair.LABEL: match["unit"],
            AnswerRepair.SPELLING: number.startswith("0"),
            AnswerRepair.DECIMALS: "." in number,
            AnswerRepair.QUOTED: match["open"] or match["close"],
        }
        return Score(int(value), frozenset(repair for repair, needed in mended.items() if needed))

    def _has_remark(self, rest: str, score: float) -> bool:
        """Whether a remark stands behind a score; raises for one that may hold another score."""
        whole = re.sub(f"[{SIGNS}]+", " ", self._without_stars(rest, score))
        opened = _OPENS_REMARK.match(whole) or whole[:1] in (*QUOTES, " ")
        said = _HARMLESS.sub("", self._aside.sub("", whole.strip(_ENDS)))
        spelt = _NUMBERS.get(said.strip("()[]-–—:=,. ").casefold())
        if spelt is not None and spelt != score:
            raise AnswerError("two answers", got=rest)
        if not rest.strip(_ENDS):
            return False
        if spelt or re.fullmatch(rf"\({score:g}(?:\s*/\s*{self.highest})?\)", said):
            return True
        other = re.search(r"[0-9½¼¾]", said) or _NUMBER_WORD.search(said)
        if (said and not opened) or other or (not re.search(r"\w", said) and said.strip("()[] ")):
            raise AnswerError("ambiguous: what follows a score", got=rest)
        return True

    def _without_stars(self, text: str, score: float) -> str:
        """Return a text without stars that say the score once more."""
        if any(len(stars) != score for stars in _STARS.findall(text)):
            raise AnswerError("two answers", got=text)
        return _STARS.sub(" ", text)

    def _another(self, text: str) -> AnswerError:
        return AnswerError("another scale", got=text, wanted=f"{self.lowest} to {self.highest}")
