"""The Hub's rules for the YAML of a card."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

_BLOCK = re.compile(r"\A(?:\ufeff)?\s*---[ \t]*\r?\n(?P<yaml>.*?)^---[ \t]*$", re.DOTALL | re.MULTILINE)


def card_metadata(text: str) -> dict[str, Any]:
    """The YAML of a card as JSON has it; empty where there is none that can be read."""
    match = _BLOCK.match(text)
    try:
        value = yaml.safe_load(match["yaml"]) if match else None
    except yaml.YAMLError:
        return {}
    # Dates and the like become text: JSON has none.
    plain = json.loads(json.dumps(value, default=str))
    return plain if isinstance(plain, dict) else {}


def check_card_yaml(text: str, repo_type: str) -> tuple[list[str], list[str]]:
    """Errors and warnings of a card."""
    match = _BLOCK.match(text)
    if match is None:
        return [], ["empty or missing yaml metadata in repo card"]
    try:
        value = yaml.safe_load(match["yaml"])
    except yaml.YAMLError as error:
        return [f"Invalid YAML: {error}"], []
    if value is not None and not isinstance(value, dict):
        return ["YAML metadata must be a mapping"], []
    return [], []
