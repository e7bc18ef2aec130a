"""A card that is small and stands for more than a machine holds is refused, quickly."""

from __future__ import annotations

import pytest

from sparkle.hub.staging.store.cards import card_metadata, check_card_yaml

_LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 10)
)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("block", "told"),
    [
        pytest.param(f"{_LAUGHS}tags: *a9\n", "aliases that stand for too much", id="aliases of aliases"),
        pytest.param("tags: &a [*a]\n", "aliases that stand for too much", id="an alias of itself"),
        pytest.param("tags: " + "[" * 5000 + "\n", "nested too deep", id="brackets"),
    ],
)
def test_it_is_invalid(block: str, told: str) -> None:
    text = f"---\n{block}---\n"
    errors, _ = check_card_yaml(text, "dataset")
    assert len(errors) == 1
    assert told in errors[0]
    assert card_metadata(text) == {}


def test_an_alias_that_stands_for_little_is_fine() -> None:
    text = "---\nlicense: mit\ntags: &tags [video, editing]\nother: *tags\n---\n"
    assert check_card_yaml(text, "dataset") == ([], [])
    assert card_metadata(text)["other"] == ["video", "editing"]
