"""The text of a model's answer without what is around it: thoughts, fences, tags, and characters nobody sees.

Nothing here knows what is read out of the text. Each thing that was taken away is named.
"""

from __future__ import annotations

import json
import re
from enum import StrEnum


class AnswerRepair(StrEnum):
    """What is not as it was asked for, and readable all the same."""

    THOUGHT = "thought left out"  # what comes before </think>
    FENCE = "fence"  # lines of ``` or ~~~
    JSON = "JSON"  # an object in place of lines
    LOOSE_JSON = "loose JSON"  # with a comma too many, comments, or other quotes
    ESCAPED = "escaped line ends"  # \n in two characters, or all of it a string of JSON
    LATEX = "LaTeX"  # \boxed{4}, $4$
    BOLD = "bold"  # emphasis of Markdown
    BULLET = "bullet"
    NUMBERED = "numbered"
    QUOTED = "quoted"  # in quotes, brackets or tags
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


_WORD = "(?:seed:)?(?:think|thinking|thought|reasoning)"
_THOUGHT_ENDS = re.compile(
    rf"[<◁]/{_WORD}[>▷]|\[/think\]|<\|channel\|>\s*final\s*<\|message\|>", re.IGNORECASE
)
_THOUGHT_BEGINS = re.compile(rf"[<◁]{_WORD}[>▷]|\[think\]|<\|channel\|>\s*analysis", re.IGNORECASE)
_THOUGHT = re.compile(
    rf"(?:{_THOUGHT_BEGINS.pattern}).*?(?:{_THOUGHT_ENDS.pattern})", re.IGNORECASE | re.DOTALL
)
_ZERO_WIDTH = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff]")
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
_COLONS = dict.fromkeys((0x2236, 0xA789, 0xFE13, 0xFE55), ":")
_LATEX = re.compile(
    r"\\+(?:boxed|fbox|(?:text|math)(?:bf|it|rm|tt)?|emph)\s*\{([^{}\n]*)\}|\$([^$\n]{1,40})\$|\\item\b()"
)
# A word that is struck out, or a cell of a table, is not taken out of its tag: neither says a score.
_INLINE = re.compile(
    r"</?(?:answer|output|result|scores?|b|strong|em|i|u|span|font|code|mark|small)(?:\s[^<>\n]*)?/?>",
    re.IGNORECASE,
)
_BLOCK = re.compile(
    r"</?(?:br|p|div|[ou]l|li|h[1-6]|pre|section|body|html)(?:\s[^<>\n]*)?/?>|<\|[a-z_]+\|>|</s>\s*$",
    re.IGNORECASE,
)
_FENCE = re.compile(r"^[ \t>]*(?:```|~~~).*$", re.MULTILINE)


def text_of_answer(answer: str, repairs: set[AnswerRepair]) -> str | None:
    """Return the text of an answer, None where it ends in its thoughts; `repairs` takes what was mended."""
    *_, text = _THOUGHT_ENDS.split(_THOUGHT.sub("\n", answer))
    if text != answer:
        repairs.add(AnswerRepair.THOUGHT)
    if _THOUGHT_BEGINS.search(text):
        return None
    for repair, change in (
        (AnswerRepair.ESCAPED, _unescaped),
        (AnswerRepair.INVISIBLE, lambda text: _ZERO_WIDTH.sub("", text)),
        (AnswerRepair.FULL_WIDTH, lambda text: text.translate(_FULL_WIDTH | _COLONS)),
        (AnswerRepair.LATEX, lambda text: _without_latex(_without_latex(text))),
        (AnswerRepair.QUOTED, lambda text: re.sub("&nbsp;|&#160;", " ", text)),
        (AnswerRepair.QUOTED, lambda text: _BLOCK.sub("\n", _INLINE.sub("", text))),
        (AnswerRepair.FENCE, lambda text: _FENCE.sub("", text)),
    ):
        changed = change(text)
        if changed != text:
            repairs.add(repair)
            text = changed
    return text


def _unescaped(text: str) -> str:
    whole = text.strip()
    if whole.startswith('"') and whole.endswith('"'):
        try:
            said = json.loads(whole)
        except ValueError:
            return text
        return said if isinstance(said, str) else text
    if "\n" in whole or "{" in whole:
        return text
    return text.replace("\\r", "").replace("\\n", "\n")


def _without_latex(text: str) -> str:
    return _LATEX.sub(lambda found: found[1] or found[2] or "", text)
