"""A recipe, read: the layers of a taxonomy's scene as functions and checked options.

`LAYERS` names every layer function: the public ones of its modules that return a `Draw`. What a recipe says
of one is checked against the function's own signature, so that a wrong name or option is an error that says
where, before anything is drawn.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, get_type_hints

import msgspec

from sparkle.generation.backends.drawing import (
    air,
    houses,
    land,
    lights,
    plants,
    props,
    rooms,
    shore,
    sky,
    skyline,
    streets,
    trees,
    water,
)
from sparkle.generation.backends.drawing.stage import Draw, Lighting
from sparkle.generation.taxonomy import TaxonomyScene
from sparkle.schemas.errors import ConfigError, did_you_mean

MODULES = (
    air, houses, land, lights, plants, props, rooms, shore, sky, skyline, streets, trees, water,
)  # fmt: skip
LAYERS: dict[str, Callable[..., Draw]] = {
    name: function
    for module in MODULES
    for name, function in inspect.getmembers(module, inspect.isfunction)
    if function.__module__ == module.__name__
    and not name.startswith("_")
    and function.__annotations__["return"] == "Draw"
}


@dataclass(frozen=True)
class RecipeLayer:
    """One layer of a recipe: its name, what draws it, and with which options."""

    name: str
    function: Callable[..., Draw]
    options: dict[str, Any]


@cache
def read_recipe(scene: TaxonomyScene) -> tuple[Lighting, tuple[RecipeLayer, ...]]:
    """Return the look and the layers of a scene, back to front.

    Raises:
        ConfigError: the scene has none, or names a layer, an option or a value that there is not.
    """
    where = f"{scene.theme}: {scene.keyword}"
    if not scene.layers:
        raise ConfigError("no recipe draws this scene", got=scene.keyword, where=where)
    look = _convert(dict(scene.look), Lighting, f"{where}/look")
    return look, tuple(_read_layer(dict(layer), where) for layer in scene.layers)


def _read_layer(table: dict[str, Any], where: str) -> RecipeLayer:
    kind, name = table.pop("is"), table.pop("name", None)
    function = LAYERS.get(kind)
    if function is None:
        fix = did_you_mean(kind, LAYERS)
        raise ConfigError("no such layer", got=kind, wanted=", ".join(sorted(LAYERS)), where=where, fix=fix)
    hints = get_type_hints(function)
    parameters = inspect.signature(function).parameters
    known = [option for option, parameter in parameters.items() if parameter.kind is parameter.KEYWORD_ONLY]
    options = {}
    for option, value in table.items():
        place = f"{where}/{name or kind}/{option}"
        if option not in known:
            fix = did_you_mean(option, known)
            raise ConfigError(
                "no such option of a layer", got=option, wanted=", ".join(known), where=place, fix=fix
            )
        options[option] = _convert(value, hints[option], place)
    missing = [
        option
        for option in known
        if parameters[option].default is inspect.Parameter.empty and option not in options
    ]
    if missing:
        raise ConfigError(
            "a layer lacks an option", wanted=", ".join(missing), where=f"{where}/{name or kind}"
        )
    return RecipeLayer(name or kind, function, options)


def _convert(value: Any, kind: Any, where: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(
            "wrong value in a recipe", got=repr(value)[:120], wanted=str(error), where=where
        ) from None
