"""Rules for the fields of a card: each yields what is wrong with its own.

Words outside an official list are errors for licences and sizes, and warnings for tasks, as on the Hub.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sparkle.hub.staging.card_words import (
    LICENCES,
    SIZES,
    SPACE_COLOURS,
    SPACE_SDKS,
    SPECIAL_LANGUAGES,
    TASKS,
)

Message = tuple[bool, str]  # (whether it is an error, what it says)

_REPOSITORY = re.compile(r"([\w.-]+/)?[\w.-]+")
_URL = re.compile(r"https?://\S+")
_LICENCE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_LANGUAGE = re.compile(r"[a-z]{2,3}")  # ISO 639-1, 639-2 or 639-3
_STRINGS = ("pretty_name", "thumbnail", "library_name", "pipeline_tag", "title", "extra_gated_prompt")
_STRING_LISTS = ("tags", "annotations_creators", "language_creators", "multilinguality", "source_datasets")


def each(field: str, value: object) -> Iterator[tuple[str, object]]:
    """Yield (path, item) of a field that holds one item or an array of them."""
    if isinstance(value, list):
        yield from ((f"{field}[{index}]", item) for index, item in enumerate(value))
    elif value is not None:
        yield field, value


def licence(card: dict[str, Any]) -> Iterator[Message]:
    """Licence, its name and its link."""
    value, name, link = card.get("license"), card.get("license_name"), card.get("license_link")
    for path, licence in each("license", value):
        if not isinstance(licence, str) or licence not in LICENCES:
            yield True, f'"{path}" must be one of [{", ".join(sorted(LICENCES))}]; got {licence!r}'
    if value == "other" and name is None:
        yield False, '"license_name" is missing: with "license: other" the page shows no licence'
    if name is not None and not (isinstance(name, str) and _LICENCE_NAME.fullmatch(name)):
        yield (
            True,
            f'"license_name" with value {name!r} fails to match the pattern {_LICENCE_NAME.pattern}',
        )
    if link is not None and not (
        isinstance(link, str) and (link in ("LICENSE", "LICENSE.md") or _URL.fullmatch(link))
    ):
        yield True, f'"license_link" must be LICENSE, LICENSE.md or a URL; got {link!r}'


def languages(card: dict[str, Any]) -> Iterator[Message]:
    """Codes of languages."""
    for path, value in each("language", card.get("language")):
        if not isinstance(value, str):
            hint = " (YAML reads no as false: put it in quotes)" if value is False else ""
            yield True, f'"{path}" must be a string; got {value!r}{hint}'
        elif value not in SPECIAL_LANGUAGES and not _LANGUAGE.fullmatch(value):
            yield (
                True,
                (
                    f'"{path}" with value "{value}" is not valid. It must be an ISO 639-1, 639-2 or 639-3 '
                    'code (two/three letters), or a special value like "code", "multilingual"'
                ),
            )


def strings(card: dict[str, Any]) -> Iterator[Message]:
    """Fields that are text, and lists of text."""
    for field in _STRINGS:
        if field in card and not isinstance(card[field], str):
            yield True, f'"{field}" must be a string; got {card[field]!r}'
    for field in _STRING_LISTS:
        value = card.get(field)
        if field == "tags" and value is not None and not isinstance(value, list):
            yield True, f'"tags" must be an array; got {value!r}'
            continue
        for path, item in each(field, value):
            if not isinstance(item, str):
                yield True, f'"{path}" must be a string; got {item!r}'


def tasks(card: dict[str, Any]) -> Iterator[Message]:
    """Tasks of a dataset."""
    for path, value in each("task_categories", card.get("task_categories")):
        if not isinstance(value, str):
            yield True, f'"{path}" must be a string; got {value!r}'
        elif value not in TASKS:
            yield (
                False,
                f'The task_categories "{value}" is not in the official list: {",".join(sorted(TASKS))}',
            )
    for path, value in each("task_ids", card.get("task_ids")):
        if not isinstance(value, str):
            yield True, f'"{path}" must be a string; got {value!r}'


def sizes(card: dict[str, Any]) -> Iterator[Message]:
    """Size categories."""
    for path, value in each("size_categories", card.get("size_categories")):
        if value not in SIZES:
            yield True, f'"{path}" must be one of [{", ".join(SIZES)}]; got {value!r}'


def gating(card: dict[str, Any]) -> Iterator[Message]:
    """What is asked of who wants access."""
    fields = card.get("extra_gated_fields")
    if fields is not None and not isinstance(fields, dict):
        yield True, f'"extra_gated_fields" must be of type object; got {fields!r}'


def model(card: dict[str, Any]) -> Iterator[Message]:
    """What only models have."""
    for field in ("base_model", "datasets"):
        for path, value in each(field, card.get(field)):
            if not isinstance(value, str) or not _REPOSITORY.fullmatch(value):
                yield True, f'"{path}" with value {value!r} is not valid. Use an id from https://hf.co'
    tag = card.get("pipeline_tag")
    if isinstance(tag, str) and tag not in TASKS:
        yield False, f'The pipeline tag "{tag}" is not in the official list: {", ".join(sorted(TASKS))}'
    index = card.get("model-index")
    if index is None:
        return
    if not isinstance(index, list):
        yield True, '"model-index" must be an array'
        return
    for number, model in enumerate(index):
        yield from _model_results(model, f"model-index[{number}]")


def _model_results(model: object, path: str) -> Iterator[Message]:
    """What https://github.com/huggingface/hub-docs/blob/main/modelcard.md calls required."""
    if not isinstance(model, dict) or not isinstance(model.get("name"), str):
        yield True, f'"{path}.name" is required'
        return
    results = model.get("results")
    if not isinstance(results, list):
        yield True, f'"{path}.results" is required'
        return
    required = {"task": ("type",), "dataset": ("type", "name")}
    for number, result in enumerate(results):
        here = f"{path}.results[{number}]"
        result = result if isinstance(result, dict) else {}
        for part, fields in required.items():
            value = result.get(part)
            for field in fields:
                if not isinstance(value, dict) or field not in value:
                    yield True, f'"{here}.{part}.{field}" is required'
        metrics = result.get("metrics")
        if not isinstance(metrics, list) or not metrics:
            yield True, f'"{here}.metrics" is required'
            continue
        for index, metric in enumerate(metrics):
            for field in ("type", "value"):
                if not isinstance(metric, dict) or field not in metric:
                    yield True, f'"{here}.metrics[{index}].{field}" is required'


def space(card: dict[str, Any]) -> Iterator[Message]:
    """What only spaces have."""
    if card.get("sdk") not in SPACE_SDKS:
        yield True, f'"sdk" must be one of [{", ".join(SPACE_SDKS)}]; got {card.get("sdk")!r}'
    for field in ("colorFrom", "colorTo"):
        if field in card and card[field] not in SPACE_COLOURS:
            yield True, f'"{field}" must be one of [{", ".join(SPACE_COLOURS)}]; got {card[field]!r}'
