"""The Hub's rules for cards: what it refuses, what it warns of, what it takes."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sparkle.hub.staging.store.cards import card_metadata, check_card_yaml

GOOD = """---
license: cc-by-4.0
language:
- en
pretty_name: Sparkle
task_categories:
- video-to-video
size_categories:
- 100K<n<1M
tags:
- video
configs:
- config_name: default
  data_files:
  - split: location
    path: data/location/*.parquet
  - split: season
    path:
    - data/season/*.parquet
- config_name: location
  data_files: data/location/*.parquet
dataset_info:
- config_name: default
---
# Sparkle
"""


def card(yaml: str) -> str:
    return f"---\n{yaml}\n---\nText\n"


def test_a_good_card_passes():
    assert check_card_yaml(GOOD, "dataset") == ([], [])
    assert card_metadata(GOOD)["license"] == "cc-by-4.0"
    assert check_card_yaml(GOOD.replace("\n", "\r\n"), "dataset") == ([], [])


@pytest.mark.parametrize(
    ("yaml", "field"),
    [
        ("license: MIT", '"license" must be one of'),
        ("license: [mit, My Own]", '"license[1]" must be one of'),
        ("license: other\nlicense_name: My Own", '"license_name" with value'),
        ("license: other\nlicense_name: my-own\nlicense_link: there", '"license_link" must be'),
        ("language: English", '"language" with value "English" is not valid'),
        ("language: [en, no]", '"language[1]" must be a string'),
        ("tags: video", '"tags" must be an array'),
        ("tags: [1]", '"tags[0]" must be a string'),
        ("pretty_name: [a]", '"pretty_name" must be a string'),
        ("task_categories: [1]", '"task_categories[0]" must be a string'),
        ("size_categories: [big]", '"size_categories[0]" must be one of'),
        ("configs: default", '"configs" must be an array'),
        ("configs: [{data_files: x}]", '"configs[0].config_name" is required'),
        ("configs: [{config_name: a/b}]", '"configs[0].config_name" must not contain /'),
        ("configs: [{config_name: a}, {config_name: a}]", "there is another config called"),
        ("configs: [{config_name: a, data_files: []}]", '"configs[0].data_files" must be'),
        ("configs: [{config_name: a, data_files: [{split: a-b, path: x}]}]", "[0].split"),
        ("configs: [{config_name: a, data_files: [{split: a}]}]", "[0].path"),
        ("configs: [{config_name: a, data_files: [{split: a, path: x, sep: y}]}]", "[0].sep"),
        ("configs: [{config_name: default}, {config_name: b, default: true}]", "more than one default"),
        ("configs: [{config_name: a, default: true}, {config_name: b, default: true}]", "more than one"),
        ("dataset_info: [{features: []}]", '"dataset_info[0].config_name" is required'),
        ("extra_gated_fields: [a]", '"extra_gated_fields" must be'),
        ("a: 1\na: 2", "duplicated mapping key a"),
        ("a: [1", "Invalid YAML"),
        ("a: 2020-02-30", "not a value of its type: '2020-02-30'"),
        ("a: !!int x", "not a value of its type: 'x'"),
        ("a: !!bool x", "not a value of its type: 'x'"),
        ("a: !!timestamp x", "not a value of its type: 'x'"),
        (f"a: 1{'0' * 5000}", "not a value of its type"),
        ('a: "\\ud800"', "invalid Unicode"),
        ("- a", "must be a mapping"),
    ],
)
def test_what_the_hub_refuses_is_an_error(yaml, field):
    errors, _ = check_card_yaml(card(yaml), "dataset")
    assert len(errors) == 1
    assert field in errors[0]


def test_what_the_hub_takes_is_a_warning():
    errors, warnings = check_card_yaml(card("license: other"), "dataset")
    assert errors == []
    assert len(warnings) == 1
    assert "license_name" in warnings[0]


@pytest.mark.parametrize(
    ("yaml", "wanted"),
    [
        ("a: 2020-01-31", {"a": "2020-01-31"}),
        ("a: [.nan, -.inf]", {"a": [None, None]}),
        ("2020-01-31: x\nb: 1", {"b": 1}),
        ("1: x", {"1": "x"}),
    ],
)
def test_what_json_has_not_is_shown_as_it_can_be(yaml, wanted):
    assert check_card_yaml(card(yaml), "dataset") == ([], [])
    assert card_metadata(card(yaml)) == wanted


@pytest.mark.parametrize("text", ["", "# Title\n", "---\nno end", "text\n---\na: 1\n---\n"])
def test_no_metadata_is_a_warning(text):
    assert check_card_yaml(text, "dataset") == ([], ["empty or missing yaml metadata in repo card"])


def test_models_have_their_own_rules():
    good = "license: mit\nbase_model: a/b\npipeline_tag: image-to-image\nlibrary_name: diffusers"
    assert check_card_yaml(card(good), "model") == ([], [])
    errors, _ = check_card_yaml(card("base_model: a/b/c\ndatasets: [a/b, 1]"), "model")
    assert [error.split('"')[1] for error in errors] == ["base_model", "datasets[1]"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
FIELDS = [
    "license",
    "license_name",
    "license_link",
    "language",
    "tags",
    "task_categories",
    "task_ids",
    "pretty_name",
    "size_categories",
    "configs",
    "dataset_info",
    "extra_gated_fields",
    "base_model",
    "datasets",
    "pipeline_tag",
    "config_name",
    "data_files",
    "split",
    "path",
]


@given(
    value=st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4),
    kind=st.sampled_from(["dataset", "model"]),
)
def test_any_yaml_is_answered(value, kind):
    text = card(yaml.safe_dump(value))
    errors, warnings = check_card_yaml(text, kind)
    assert all(isinstance(message, str) and message for message in [*errors, *warnings])


def test_the_hub_answers_by_them(client):
    answer = client(
        """
import warnings
from huggingface_hub import DatasetCard
DatasetCard(given["good"]).validate()
try:
    DatasetCard(given["good"].replace("cc-by-4.0", "My Own")).validate()
    refused = ""
except ValueError as error:
    refused = str(error)
api.create_repo("card/a", repo_type="dataset")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    other = given["good"].replace("cc-by-4.0", "other").encode()
    api.upload_file(path_or_fileobj=other, path_in_repo="README.md", repo_id="card/a", repo_type="dataset")
DatasetCard(given["good"]).push_to_hub("card/a")
answer = [refused, len(caught), DatasetCard.load("card/a").data.license,
          api.dataset_info("card/a").card_data.pretty_name, api.dataset_info("card/a").tags]
""",
        good=GOOD,
    )
    assert "license" in answer[0]
    assert "must be one of" in answer[0]
    assert answer[1:4] == [1, "cc-by-4.0", "Sparkle"]
    assert {"video", "license:cc-by-4.0", "task_categories:video-to-video"} <= set(answer[4])
