"""The Hub's rules for the YAML of a card, offline: `check_card_yaml(text, "dataset")`.

The Hub checks the YAML when a README.md is pushed, and refuses it where there are errors. Its validator is
not public: these rules are what its documentation says (sources in `card_words`) and the messages that it is
known to give. Who passes here can still be surprised there, by a rule that nobody wrote down.

Messages have the Hub's form: the field by its path, then what is wrong.

Rules for the fields of a card: each yields what is wrong with its own.

Words outside an official list are errors for licences and sizes, and warnings for tasks, as on the Hub.

Rules for a dataset card's `configs` and `dataset_info`.

They are held against what `datasets` can load as well: the Hub takes a card with a split called `my-split`,
and then its viewer and every reader fail.

The words that the Hub knows in a card: licences, tasks, sizes, and what else is a list there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import yaml

# https://huggingface.co/docs/hub/repositories-licenses, which the Hub derives its own list from.
LICENCES = frozenset(
    [
        "apache-2.0",
        "mit",
        "openrail",
        "bigscience-openrail-m",
        "creativeml-openrail-m",
        "bigscience-bloom-rail-1.0",
        "bigcode-openrail-m",
        "afl-3.0",
        "artistic-2.0",
        "bsl-1.0",
        "bsd",
        "bsd-2-clause",
        "bsd-3-clause",
        "bsd-3-clause-clear",
        "c-uda",
        "cc",
        "cc0-1.0",
        "cc-by-2.0",
        "cc-by-2.5",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
        "cc-by-nc-2.0",
        "cc-by-nc-3.0",
        "cc-by-nc-4.0",
        "cc-by-nd-4.0",
        "cc-by-nc-nd-3.0",
        "cc-by-nc-nd-4.0",
        "cc-by-nc-sa-2.0",
        "cc-by-nc-sa-3.0",
        "cc-by-nc-sa-4.0",
        "cdla-sharing-1.0",
        "cdla-permissive-1.0",
        "cdla-permissive-2.0",
        "wtfpl",
        "ecl-2.0",
        "epl-1.0",
        "epl-2.0",
        "etalab-2.0",
        "eupl-1.1",
        "eupl-1.2",
        "agpl-3.0",
        "gfdl",
        "gpl",
        "gpl-2.0",
        "gpl-3.0",
        "lgpl",
        "lgpl-2.1",
        "lgpl-3.0",
        "isc",
        "h-research",
        "intel-research",
        "lppl-1.3c",
        "ms-pl",
        "apple-ascl",
        "apple-amlr",
        "mpl-2.0",
        "odc-by",
        "odbl",
        "openmdw-1.0",
        "openmdw-1.1",
        "openrail++",
        "osl-3.0",
        "postgresql",
        "ofl-1.1",
        "ncsa",
        "unlicense",
        "zlib",
        "pddl",
        "lgpl-lr",
        "deepfloyd-if-license",
        "fair-noncommercial-research-license",
        "llama2",
        "llama3",
        "llama3.1",
        "llama3.2",
        "llama3.3",
        "llama4",
        "grok2-community",
        "gemma",
        "unknown",
        "other",
    ]
)
# Names in PIPELINE_DATA of huggingface.js, packages/tasks/src/pipelines.ts.
TASKS = frozenset(
    [
        "biology",
        "text-classification",
        "token-classification",
        "table-question-answering",
        "question-answering",
        "zero-shot-classification",
        "translation",
        "summarization",
        "feature-extraction",
        "text-generation",
        "text2text-generation",
        "fill-mask",
        "sentence-similarity",
        "text-to-speech",
        "text-to-audio",
        "automatic-speech-recognition",
        "audio-to-audio",
        "audio-classification",
        "audio-text-to-text",
        "voice-activity-detection",
        "depth-estimation",
        "image-classification",
        "object-detection",
        "image-segmentation",
        "text-to-image",
        "image-to-text",
        "image-to-image",
        "image-to-video",
        "unconditional-image-generation",
        "video-classification",
        "video-to-video",
        "reinforcement-learning",
        "robotics",
        "tabular-classification",
        "tabular-regression",
        "tabular-to-text",
        "table-to-text",
        "multiple-choice",
        "text-ranking",
        "text-retrieval",
        "time-series-forecasting",
        "text-to-video",
        "image-text-to-text",
        "image-text-to-image",
        "image-text-to-video",
        "visual-question-answering",
        "document-question-answering",
        "zero-shot-image-classification",
        "graph-ml",
        "mask-generation",
        "zero-shot-object-detection",
        "text-to-3d",
        "image-to-3d",
        "image-feature-extraction",
        "video-text-to-text",
        "keypoint-detection",
        "visual-document-retrieval",
        "any-to-any",
        "other",
    ]
)
# In rising order; https://github.com/huggingface/hub-docs/blob/main/datasetcard.md has examples.
SIZES = (
    "n<1K",
    "1K<n<10K",
    "10K<n<100K",
    "100K<n<1M",
    "1M<n<10M",
    "10M<n<100M",
    "100M<n<1B",
    "1B<n<10B",
    "10B<n<100B",
    "100B<n<1T",
    "n>1T",
)
# https://huggingface.co/docs/hub/spaces-config-reference.
SPACE_SDKS = ("gradio", "streamlit", "docker", "static")
SPACE_COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
# What may stand in place of a language's code.
SPECIAL_LANGUAGES = ("code", "multilingual")


# --- rules for the fields of a card ----------------------------------------------------------------


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


# --- rules for a dataset card's `configs` and `dataset_info` ---------------------------------------


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


# --- the Hub's rules for the YAML of a card --------------------------------------------------------


_MAX_VALUES = (
    100_000  # of a card, aliases written out; the dataset_info of a large real one has some thousand
)

Rule = Callable[[dict[str, Any]], Iterator[Message]]

_COMMON: tuple[Rule, ...] = (
    licence,
    languages,
    strings,
    gating,
)
_RULES: dict[str, tuple[Rule, ...]] = {
    "dataset": (
        tasks,
        sizes,
        configs,
        dataset_info,
    ),
    "model": (model,),
    "space": (space,),
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
