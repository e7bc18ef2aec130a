"""Rules for a dataset card's `configs` and `dataset_info`.

They are held against what `datasets` can load as well: the Hub takes a card with a split called `my-split`,
and then its viewer and every reader fail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sparkle.hub.staging.card_fields import Message, each

_SPLIT = re.compile(r"\w+(\.\w+)*")  # `datasets.naming`
_BAD_IN_CONFIG = "<>:/\\|?*"  # `datasets.naming`: characters that no config's name may have


def configs(card: dict[str, Any]) -> Iterator[Message]:
    """Subsets and their files."""
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


def _data_files(value: object, path: str) -> Iterator[Message]:
    """A path, a list of paths, or a list of splits with theirs."""
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


def dataset_info(card: dict[str, Any]) -> Iterator[Message]:
    """Features and sizes of subsets."""
    for path, info in each("dataset_info", card.get("dataset_info")):
        if not isinstance(info, dict):
            yield True, f'"{path}" must be of type object; got {info!r}'
        elif path != "dataset_info" and not isinstance(info.get("config_name"), str):
            yield True, f'"{path}.config_name" is required'
