"""Upstream's request to the letter, for comparing with scores that its script wrote.

- One message: its words, the source file, the edited file, in this order and without a label; seed 42,
  temperature 0, and nothing else. The words are read from a copy of its script, which is not run, and must be
  those that it was published with.
- What cannot be read is asked for once more by the same request, as its script does (up to twenty times).
- Videos that are more than a request takes go as frames, and the verdict says so: its script lost them.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from sparkle.generation.backend import operational
from sparkle.generation.backends.vlm.openai import chat_content
from sparkle.generation.backends.vlm.questions import Question
from sparkle.generation.judges.judge import JudgedEdit
from sparkle.generation.judges.openai import VIDEO, EndpointJudge
from sparkle.generation.judges.showing import VIDEO_CAPTIONS
from sparkle.schemas.canonical import sha256_bytes
from sparkle.schemas.errors import ConfigError

SCRIPT = "eval_sparkle_bench_gemini.py"
WORDS_SHA256 = "255e66851c4a2a13acc44336a5981aff60a4953120fce10b1ae80fc884133bb8"

_WORDS = "BACKGROUND_REPLACEMENT"  # the constant of the script that holds them
_SLOT = "{edit_prompt}"
_FIXED = {"temperature": 0.0, "seed": 42, "max_tokens": 1024, "extra_body": {}, "words": None}
_FIXED |= {"structured": False, "transport": VIDEO}


@dataclass(kw_only=True)
class UpstreamJudge(EndpointJudge):
    """The judge `upstream`; options that its request does not have cannot be set.

    Args:
        script: A copy of upstream's `eval_sparkle_bench_gemini.py`.
        words_sha256: Of its words; of another version than the published one, that one's.
    """

    kind: ClassVar[str] = "upstream"

    script: str = operational()
    words_sha256: str = WORDS_SHA256
    transport: str = VIDEO
    structured: bool = False
    seed: int = 42
    temperature: float = 0.0
    extra_body: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value in _FIXED.items():
            if getattr(self, name) != value:
                raise ConfigError(
                    "upstream's request cannot be otherwise",
                    got=f"{name} = {getattr(self, name)!r}",
                    wanted=repr(value),
                    fix="leave the option out, or take the judge `openai`",
                )

    @cached_property
    def template(self) -> str:
        """Upstream's words."""
        try:
            tree = ast.parse(Path(self.script).read_text("utf-8"))
        except (OSError, ValueError, SyntaxError, RecursionError) as error:
            fix = f"git clone https://github.com/showlab/Sparkle, and script = 'Sparkle/{SCRIPT}'"
            raise ConfigError(
                "upstream's script cannot be read", got=error, where=self.script, fix=fix
            ) from None
        texts = [
            node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Constant)
            and [getattr(target, "id", None) for target in node.targets] == [_WORDS]
        ]
        text = texts[0] if len(texts) == 1 and isinstance(texts[0], str) else ""
        if sha256_bytes(text.encode()) != self.words_sha256 or text.count(_SLOT) != 1:
            raise ConfigError(
                "not the words of upstream's script",
                got=f"sha256 {sha256_bytes(text.encode())}" if text else f"no text {_WORDS}",
                wanted=self.words_sha256,
                where=self.script,
            )
        return text

    def ask_words(self, edit: JudgedEdit, attempt: int) -> str:
        """Return upstream's words; the second time the same."""
        return self.template.replace("{{", "{").replace("}}", "}").replace(_SLOT, edit.prompt)

    def request(self, question: Question, attached: Sequence[str], shaped: bool) -> dict[str, Any]:
        """Return upstream's request."""
        *videos, words = chat_content(question, attached)
        if question.captions == VIDEO_CAPTIONS:
            videos = [part for part in videos if part["type"] == "image_url"]
        messages = [{"role": "user", "content": [words, *videos]}]
        return {"model": self.model, "messages": messages, "seed": 42, "temperature": 0}
