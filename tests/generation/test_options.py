"""Options of a backend, and packages that it needs."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sparkle.generation.backend import decisive_options, operational, require_choice, require_range
from sparkle.generation.needs import package_versions
from sparkle.schemas.errors import ConfigError


@dataclass(kw_only=True)
class Machine:
    where: str = operational()
    speed: float = 1.0
    at_once: int = operational(8)


def test_what_decides_how_is_not_what_decides_what():
    table = {"where": "there", "speed": 2.0, "at_once": 4}
    assert decisive_options(Machine(**table), table) == {"speed": 2.0}
    assert Machine(where="here").at_once == 8


@pytest.mark.parametrize("speed", [-1, 10.5, float("nan")])
def test_a_value_out_of_range_is_named(speed):
    with pytest.raises(ConfigError, match="out of range") as caught:
        require_range(Machine(where="here", speed=speed), "speed", 0, 10)
    assert caught.value.got == f"speed = {speed}"
    require_range(Machine(where="here", speed=10), "speed", 0, 10)


def test_a_value_that_is_no_choice_is_named():
    require_choice(Machine(where="here"), "where", ("here", "there"))
    with pytest.raises(ConfigError, match="no such choice") as caught:
        require_choice(Machine(where="up"), "where", ("here", "there"))
    assert caught.value.wanted == "here, there"


def test_a_missing_package_is_an_error_that_says_what_installs_it():
    assert package_versions(("numpy",), fix="pip install it")["numpy"]
    with pytest.raises(ConfigError) as caught:
        package_versions(("numpy", "no-such-package"), fix="pip install it")
    assert caught.value.wanted == "no-such-package"
    assert caught.value.fix == "pip install it"
