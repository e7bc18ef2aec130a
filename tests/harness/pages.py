"""Code blocks of a page, and a process that runs them: `python -m harness.pages PAGE` in a prepared folder.

How it works
- Blocks run as written, in order, in one working folder: bash in a shell that stops at the first failure,
  Python in one namespace for the whole page.
- A comment `<!-- not run: REASON -->` directly before a block exempts it.
- `text` is no code: an output, a signature, a tree of files. TOML is read by a test of configurations, and
  `pycon` is the example of a docstring (docs/api.md), which a test of public names runs.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

RUN = ("bash", "python")
NO_CODE = ("text", "toml", "pycon", "html")

_BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]+) -->\n)?^(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A code block.

    Attributes:
        line: Where it begins.
        language: As the page says it; empty where it says none.
        code: What is in it.
        reason: Why it is not run; None where it is.
    """

    line: int
    language: str
    code: str
    reason: str | None


def blocks_of(text: str) -> list[Block]:
    """Every code block of a page."""
    found = []
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("language")) + 1
        found.append(Block(line, match["language"], match["code"], match["reason"]))
    return found


def main() -> None:
    """Run the blocks of a page; the first that fails ends the process."""
    page = Path(sys.argv[1])
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks_of(page.read_text("utf-8")):
        if block.reason is not None or block.language not in RUN:
            continue
        print(f"--- {page.name}:{block.line}", flush=True)
        if block.language == "bash":
            subprocess.run(["bash", "-euo", "pipefail", "-c", block.code], check=True)
        else:
            exec(compile(block.code, f"{page}:{block.line}", "exec"), names)  # noqa: S102


if __name__ == "__main__":
    main()
