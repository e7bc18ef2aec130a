"""`docs/api.md`: the public names of `sparkle` by their docstrings. `python -m harness.api_page` prints it.

- Groups and their order are those of the docstring of `sparkle`; so is the line that says what a name is for.
- The examples are those of the docstrings, which `tests/test_public_names.py` runs.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import sparkle
from sparkle.schemas.layout import Kind

REGENERATE = "PYTHONPATH=tests python -m harness.api_page > docs/api.md"

_HEAD = f"""# Public names

<!-- Made by `{REGENERATE}`: change the docstrings, and run that. -->

What is here stays where it is; everything below it may move. `import sparkle` is light: each name is \
imported when it is first used. Every example is run by a test, in a folder with a run and a release.
"""
_GROUP = re.compile(r"^(\w.*)\n((?:    .*\n)+)", re.MULTILINE)
_SECTION = re.compile(r"^(Example|Args|Attributes|Returns|Yields|Raises):\n((?:    .*\n?|\n)+)", re.MULTILINE)
_ENTRY = re.compile(r"^(\w+): (.*(?:\n {2,}.*)*)", re.MULTILINE)
_TITLES = {"Args": "Arguments", "Raises": "Errors"}


def as_markdown() -> str:
    """Return the page."""
    parts = [_HEAD]
    for title, lines in _GROUP.findall(inspect.getdoc(sparkle) or ""):
        parts.append(f"## {title}\n")
        rows = [line.split(maxsplit=1) for line in lines.splitlines()]
        if rows[0][0].isupper():
            parts += _kinds(lines.split())
        else:
            for name, about in rows:
                line = f"{about[0].upper()}{about[1:]}{'' if about.endswith('?') else '.'}"
                parts += [f"### {name}\n", f"{line}\n", *_describe(name)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).rstrip("\n") + "\n"


def _kinds(names: list[str]) -> Iterator[str]:
    yield _prose(getattr(sparkle, names[0]))
    yield "| name | kind | file |\n|---|---|---|"
    for name in names:
        kind = getattr(sparkle, name)
        yield f"| `{name}` | `{kind.name}` | `{kind.suffix}` |"
    yield ""


def _describe(name: str) -> Iterator[str]:
    value = getattr(sparkle, name)
    inherited = inspect.isclass(value) and "__init__" not in vars(value)
    if not inspect.ismodule(value) and not inherited:
        yield f"```text\n{_signature(f'sparkle.{name}', value)}\n```\n"
    yield _prose(value)
    members = [(key, each) for key, each in vars(value).items() if _is_public(key, each, value)]
    if (inspect.isclass(value) or inspect.ismodule(value)) and members:
        yield "| further names | |\n|---|---|"
        for key, each in members:
            about = (inspect.getdoc(each) or "").partition("\n")[0].replace("|", "\\|")
            yield f"| `{key}` | {about} |"
        yield ""


def _is_public(key: str, value: Any, owner: Any) -> bool:
    value = getattr(value, "__func__", value)  # a static method is what it wraps
    if not (inspect.isfunction(value) or inspect.isclass(value) or isinstance(value, property)):
        return False
    here = not inspect.ismodule(owner) or value.__module__ == owner.__name__
    return not key.startswith("_") and here and bool(value.__doc__)


def _signature(name: str, value: Callable[..., Any]) -> str:
    """A call with types and defaults; one parameter per line where a line is too short."""
    words, starred = [], False
    for parameter in inspect.signature(value).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            words.append("*")
            starred = True
        typed = parameter.annotation is not parameter.empty
        optional = parameter.default is not parameter.empty
        word = f"{parameter.name}: {parameter.annotation}" if typed else parameter.name
        words.append(f"{word} = {_shown(parameter.default)}" if optional else word)
    line = f"{name}({', '.join(words)})"
    if len(line) <= 100:
        return line
    return "\n".join([f"{name}(", *(f"    {word}," for word in words), ")"])


def _shown(default: object) -> str:
    """A default as one would write it."""
    names = {getattr(sparkle, name): name for name in sparkle.__all__ if name.isupper()}
    if isinstance(default, tuple) and default:
        return f"({', '.join(map(_shown, default))}{',' * (len(default) == 1)})"
    if inspect.isfunction(default):
        return "..."
    return names.get(default, repr(default)) if isinstance(default, Kind) else repr(default)


def _prose(value: Any) -> str:
    """A docstring with its sections as Markdown."""

    def section(match: re.Match[str]) -> str:
        title, body = match[1], textwrap.dedent(match[2]).strip()
        if title == "Example":
            return f"```pycon\n{body}\n```\n\n"
        entries = "\n".join(f"- `{name}`: {' '.join(about.split())}" for name, about in _ENTRY.findall(body))
        return f"{_TITLES.get(title, title)}:\n\n{entries or body}\n\n"

    text = _SECTION.sub(section, (inspect.getdoc(value) or "") + "\n")
    return re.sub(r"^(How it works)$", r"\1:\n", text, flags=re.MULTILINE)


if __name__ == "__main__":
    print(as_markdown(), end="")
