"""A recipe, read: the layers of a taxonomy's scene as functions and checked options.

`LAYERS` names every layer function. What a recipe says of one is checked against the function's own signature,
so that a wrong name or option is an error that says where, before anything is drawn.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, get_type_hints

import msgspec

from sparkle.generation.backends.drawing import air, buildings, land, plants, props, sky, water
from sparkle.generation.backends.drawing.stage import Draw, Look
from sparkle.generation.taxonomy import TaxonomyScene
from sparkle.schemas.errors import ConfigError, did_you_mean

LAYERS: dict[str, Callable[..., Draw]] = {
    function.__name__: function
    for function in (
        sky.sky, sky.sun, sky.clouds, sky.stars, sky.aurora, sky.lightning, sky.fireworks, sky.planet, sky.nebula,
        sky.searchlights, land.ridge, land.dunes, land.ground, land.rocks, land.cliffs, water.water, water.surf,
        water.waterfall, water.fountain, water.rings, plants.trees, plants.grass, plants.flowers, plants.hanging,
        buildings.skyline, buildings.houses, buildings.street, buildings.room, buildings.shelves, buildings.window,
        buildings.skylight, buildings.dance_floor, buildings.grid_floor, buildings.pipes, props.props, air.particles,
        air.fog, air.smoke, air.fire, air.rays, air.dapple, air.glow, air.birds, air.bulbs, air.haze_shimmer,
        air.mirror_ball, air.whorls,
    )
}  # fmt: skip


@dataclass(frozen=True)
class Layer:
    """One layer of a recipe: its name, what draws it, and with which options."""

    name: str
    function: Callable[..., Draw]
    options: dict[str, Any]


@cache
def read_recipe(scene: TaxonomyScene) -> tuple[Look, tuple[Layer, ...]]:
    """Return the look and the layers of a scene, back to front.

    Raises:
        ConfigError: the scene has none, or names a layer, an option or a value that there is not.
    """
    where = f"{scene.theme}: {scene.keyword}"
    if not scene.layers:
        raise ConfigError("no recipe draws this scene", got=scene.keyword, where=where)
    look = _convert(dict(scene.look), Look, f"{where}/look")
    return look, tuple(_read_layer(dict(layer), where) for layer in scene.layers)


def _read_layer(table: dict[str, Any], where: str) -> Layer:
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
            raise ConfigError("no such option of a layer", got=option, wanted=", ".join(known), where=place, fix=fix)
        options[option] = _convert(value, hints[option], place)
    missing = [
        option for option in known if parameters[option].default is inspect.Parameter.empty and option not in options
    ]
    if missing:
        raise ConfigError("a layer lacks an option", wanted=", ".join(missing), where=f"{where}/{name or kind}")
    return Layer(name or kind, function, options)


def _convert(value: Any, kind: Any, where: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ConfigError("wrong value in a recipe", got=repr(value)[:120], wanted=str(error), where=where) from None
