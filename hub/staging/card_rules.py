"""The Hub's rules for the YAML of a card, offline: `check_card_yaml(text, "dataset")`.

The Hub checks the YAML when a README.md is pushed, and refuses it where there are errors. Its validator is
not public: these rules are what its documentation says (sources in `card_words`) and the messages that it is
known to give. Who passes here can still be surprised there, by a rule that nobody wrote down.

Messages have the Hub's form: the field by its path, then what is wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import yaml

from sparkle.hub.staging import card_configs, card_fields
from sparkle.hub.staging.card_fields import Message

_MAX_VALUES = (
    100_000  # of a card, aliases written out; the dataset_info of a large real one has some thousand
)

Rule = Callable[[dict[str, Any]], Iterator[Message]]

_COMMON: tuple[Rule, ...] = (
    card_fields.licence,
    card_fields.languages,
    card_fields.strings,
    card_fields.gating,
)
_RULES: dict[str, tuple[Rule, ...]] = {
    "dataset": (
        card_fields.tasks,
        card_fields.sizes,
        card_configs.configs,
        card_configs.dataset_info,
    ),
    "model": (card_fields.model,),
    "space": (card_fields.space,),
}
_BLOCK = re.compile(r"\A(?:\ufeff)?\s*---[ \t]*\r?\n(?P<yaml>.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)


def check_card_yaml(text: str, repo_type: str) -> tuple[list[str], list[str]]:
    """What is wrong with a card's YAML.

    Args:
        text: The whole README.md, or the YAML block between its lines of `---`.
        repo_type: model, dataset or space.

    Returns:
        Errors, for which the Hub refuses the card, and warnings, with which it takes it.
    """
    try:
        metadata = _read(text)
    except yaml.YAMLError as error:
        return [f"Invalid YAML: {' '.join(str(error).split())}"], []
    if metadata is None:
        return [], ["empty or missing yaml metadata in repo card"]
    if not isinstance(metadata, dict):
        return ["the YAML metadata must be a mapping of fields"], []
    found = [message for rule in (*_COMMON, *_RULES[repo_type]) for message in rule(metadata)]
    errors = [text for is_error, text in found if is_error]
    return errors, [text for is_error, text in found if not is_error]


def card_metadata(text: str) -> dict[str, Any]:
    """The YAML of a card as JSON has it; empty where there is none that can be read."""
    try:
        value = _read(text)
    except yaml.YAMLError:
        return {}
    plain = json.loads(json.dumps(value, default=str))  # dates become text: JSON has none
    return plain if isinstance(plain, dict) else {}


class _Loader(yaml.SafeLoader):
    """Safe, and as strict as the Hub's own: a key that stands twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"duplicated mapping key {key.value}", problem_mark=key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _read(text: str) -> object:
    """The value of the YAML block; None where there is none."""
    match = _BLOCK.match(text)
    if match is None:
        return None
    loader = _Loader(match["yaml"])
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _weigh(node, {})
        return loader.construct_document(node)
    except RecursionError:
        raise yaml.YAMLError("nested too deep") from None
    finally:
        loader.dispose()


def _weigh(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node stands for once its aliases are written out.

    A few lines of aliases of aliases stand for more values than any machine holds; whoever shows one of them
    would have to write them out. `known` has 0 for a node that is being weighed: an alias of itself.
    """
    if id(node) not in known:
        known[id(node)] = 0
        children = node.value if isinstance(node, yaml.CollectionNode) else ()
        parts = (part for child in children for part in (child if isinstance(child, tuple) else (child,)))
        known[id(node)] = 1 + sum(_weigh(part, known) for part in parts)
    if not 0 < known[id(node)] <= _MAX_VALUES:
        raise yaml.MarkedYAMLError(problem="aliases that stand for too much", problem_mark=node.start_mark)
    return known[id(node)]
