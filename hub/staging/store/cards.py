"""The Hub's rules for the YAML of a card, offline: `check_card_yaml(text, "dataset")`.

How it works
- The Hub checks the YAML when a README.md is pushed, and refuses it where there are errors. Its validator is
  not public: these rules are what its documentation says and the messages that it is known to give. Which
  tasks it lists is its own business: those are checked for their form alone.
- `configs` and `dataset_info` are held against what `datasets` can load as well: the Hub takes a card with a
  split called `my-split`, and then its viewer and every reader fail.
- Messages have the Hub's form: the field by its path, then what is wrong with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Iterator
from itertools import pairwise
from typing import Any

import yaml

from sparkle.builders.release.about import LICENSES

_Message = tuple[bool, str]  # (whether it is an error, what it says)
_Rule = Callable[[dict[str, Any]], Iterator[_Message]]

# Values of a card, aliases written out; the dataset_info of a large real one has some thousand.
_MAX_VALUES = 100_000
_BLOCK = re.compile(r"\A(?:\ufeff)?\s*---[ \t]*\r?\n(?P<yaml>.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_REPOSITORY = re.compile(r"([\w.-]+/)?[\w.-]+")
_URL = re.compile(r"https?://\S+")
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+_-]*")  # names of licences
_LANGUAGE = re.compile(r"[a-z]{2,3}|code|multilingual")  # ISO 639-1, 639-2 or 639-3
# https://github.com/huggingface/hub-docs/blob/main/datasetcard.md has examples.
_POWERS = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
_SIZES = ["n<1K", *(f"{low}<n<{high}" for low, high in pairwise(_POWERS)), "n>1T"]
_STRINGS = ("pretty_name", "thumbnail", "library_name", "pipeline_tag", "extra_gated_prompt")
_STRING_LISTS = (
    "tags",
    "task_categories",
    "task_ids",
    "annotations_creators",
    "language_creators",
    "multilinguality",
    "source_datasets",
)
_SPLIT = re.compile(r"\w+(\.\w+)*")  # `datasets.naming`
_BAD_IN_CONFIG = "<>:/\\|?*"  # `datasets.naming`: characters that no config's name may have


def check_card_yaml(text: str, kind: str) -> tuple[list[str], list[str]]:
    """Check a card's YAML.

    Args:
        text: The whole README.md, or the YAML block between its lines of `---`.
        kind: model or dataset.

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
    found = [message for rule in _RULES[kind] for message in rule(metadata)]
    errors = [text for is_error, text in found if is_error]
    return errors, [text for is_error, text in found if not is_error]


def card_metadata(text: str) -> dict[str, Any]:
    """Return the YAML of a card as JSON has it; empty where there is none that can be read.

    Dates become text, NaN and infinity null; keys that are neither text nor number are left out.
    """
    try:
        value = _read(text)
    except yaml.YAMLError:
        return {}
    written = json.dumps(value, default=str, skipkeys=True)
    plain = json.loads(written, parse_constant=lambda name: None)
    return plain if isinstance(plain, dict) else {}


def _each(field: str, value: object) -> Iterator[tuple[str, object]]:
    """Yield (path, item) of a field that holds one item or an array of them."""
    if isinstance(value, list):
        yield from ((f"{field}[{index}]", item) for index, item in enumerate(value))
    elif value is not None:
        yield field, value


def _licence(card: dict[str, Any]) -> Iterator[_Message]:
    """Check the licence, its name and its link."""
    value, name, link = card.get("license"), card.get("license_name"), card.get("license_link")
    for path, licence in _each("license", value):
        if licence not in LICENSES:
            yield True, f'"{path}" must be one of [{", ".join(LICENSES)}]; got {licence!r}'
    if value == "other" and name is None:
        yield False, '"license_name" is missing: with "license: other" the page shows no licence'
    if name is not None and not (isinstance(name, str) and _LICENCE.fullmatch(name)):
        yield True, f'"license_name" with value {name!r} fails to match the pattern {_LICENCE.pattern}'
    if link is not None and not (
        isinstance(link, str) and (link in ("LICENSE", "LICENSE.md") or _URL.fullmatch(link))
    ):
        yield True, f'"license_link" must be LICENSE, LICENSE.md or a URL; got {link!r}'


def _languages(card: dict[str, Any]) -> Iterator[_Message]:
    """Check codes of languages."""
    for path, value in _each("language", card.get("language")):
        if not isinstance(value, str):
            hint = " (YAML reads no as false: put it in quotes)" if value is False else ""
            yield True, f'"{path}" must be a string; got {value!r}{hint}'
        elif not _LANGUAGE.fullmatch(value):
            form = 'ISO 639-1, 639-2 or 639-3 code (two/three letters), or "code", "multilingual"'
            yield True, f'"{path}" with value "{value}" is not valid. It must be an {form}'


def _strings(card: dict[str, Any]) -> Iterator[_Message]:
    """Check fields that are text, and lists of text."""
    for field in _STRINGS:
        if field in card and not isinstance(card[field], str):
            yield True, f'"{field}" must be a string; got {card[field]!r}'
    for field in _STRING_LISTS:
        value = card.get(field)
        if field == "tags" and value is not None and not isinstance(value, list):
            yield True, f'"tags" must be an array; got {value!r}'
            continue
        for path, item in _each(field, value):
            if not isinstance(item, str):
                yield True, f'"{path}" must be a string; got {item!r}'


def _gating(card: dict[str, Any]) -> Iterator[_Message]:
    """Check what is asked of who wants access."""
    fields = card.get("extra_gated_fields")
    if fields is not None and not isinstance(fields, dict):
        yield True, f'"extra_gated_fields" must be of type object; got {fields!r}'


def _model(card: dict[str, Any]) -> Iterator[_Message]:
    """Check what only models have."""
    for field in ("base_model", "datasets"):
        for path, value in _each(field, card.get(field)):
            if not isinstance(value, str) or not _REPOSITORY.fullmatch(value):
                yield True, f'"{path}" with value {value!r} is not valid. Use an id from https://hf.co'


def _sizes(card: dict[str, Any]) -> Iterator[_Message]:
    """Check size categories."""
    for path, value in _each("size_categories", card.get("size_categories")):
        if value not in _SIZES:
            yield True, f'"{path}" must be one of [{", ".join(_SIZES)}]; got {value!r}'


def _configs(card: dict[str, Any]) -> Iterator[_Message]:
    """Check subsets and their files."""
    found = card.get("configs")
    if found is None:
        return
    if not isinstance(found, list) or not found:
        yield True, '"configs" must be an array of configs'
        return
    names: list[str] = []
    for index, config in enumerate(found):
        path = f"configs[{index}]"
        name = config.get("config_name") if isinstance(config, dict) else None
        if not isinstance(name, str) or not name:
            yield True, f'"{path}.config_name" is required'
            continue
        if bad := sorted(set(name) & set(_BAD_IN_CONFIG)):
            yield True, f'"{path}.config_name" must not contain {" ".join(bad)}; got {name!r}'
        if name in names:
            yield True, f'"{path}.config_name": there is another config called {name!r}'
        names.append(name)
        yield from _data_files(config.get("data_files"), f"{path}.data_files")
    default = [
        config.get("config_name") for config in found if isinstance(config, dict) and config.get("default")
    ]
    if len(default) > 1 or ("default" in names and default not in ([], ["default"])):
        yield True, f'"configs": more than one default config; "default: true" is on {default}'


def _data_files(value: object, path: str) -> Iterator[_Message]:
    """Check a path, a list of paths, or a list of splits with theirs."""
    if value is None or isinstance(value, str):
        return
    if not isinstance(value, list) or not value:
        yield True, f'"{path}" must be a path, an array of paths, or an array of {{split, path}}'
        return
    splits: set[str] = set()
    for index, item in enumerate(value):
        here = f"{path}[{index}]"
        if isinstance(item, str):
            continue
        if not isinstance(item, dict):
            yield True, f'"{here}" must be a path or {{split, path}}; got {item!r}'
            continue
        split, files = item.get("split"), item.get("path")
        if not isinstance(split, str) or not _SPLIT.fullmatch(split):
            yield True, f'"{here}.split" must match {_SPLIT.pattern} (no dashes); got {split!r}'
        elif split in splits:
            yield True, f'"{here}.split": there is another split called {split!r}'
        else:
            splits.add(split)
        if not files or not isinstance(files, str | list) or not all(isinstance(file, str) for file in files):
            yield True, f'"{here}.path" is required: a path or an array of paths'
        if unknown := sorted(map(str, item.keys() - {"split", "path"})):
            yield True, f'"{here}.{unknown[0]}" is not allowed'


def _dataset_info(card: dict[str, Any]) -> Iterator[_Message]:
    """Check features and sizes of subsets."""
    for path, info in _each("dataset_info", card.get("dataset_info")):
        if not isinstance(info, dict):
            yield True, f'"{path}" must be of type object; got {info!r}'
        elif path != "dataset_info" and not isinstance(info.get("config_name"), str):
            yield True, f'"{path}.config_name" is required'


_COMMON: tuple[_Rule, ...] = (_licence, _languages, _strings, _gating)
_RULES: dict[str, tuple[_Rule, ...]] = {
    "model": (*_COMMON, _model),
    "dataset": (*_COMMON, _sizes, _configs, _dataset_info),
}


class _Loader(yaml.SafeLoader):
    """Safe, and as strict as the Hub's own: a key that is there twice is an error."""

    def compose_scalar_node(self, anchor: dict[str, yaml.Node]) -> yaml.ScalarNode:
        node = super().compose_scalar_node(anchor)
        try:
            node.value.encode()
        except UnicodeEncodeError:  # half of a character, written as `"\ud800"`
            raise yaml.MarkedYAMLError(problem="invalid Unicode", problem_mark=node.start_mark) from None
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, KeyError, AttributeError):  # the 30th of February, `!!int x`, `!!timestamp x`
            raise yaml.MarkedYAMLError(
                problem=f"not a value of its type: {node.value[:100]!r}", problem_mark=node.start_mark
            ) from None

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
    """Return the value of the YAML block; None where there is none."""
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
    """Count the values that a node stands for once its aliases are written out.

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
