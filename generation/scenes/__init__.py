"""Procedural background scenes: a prompt becomes a moving picture, with numpy and OpenCV alone.

- `match` reads the prompt into a `SceneSpec`: a family, a kind, season, time of day, weather, style, energy
  of motion, particles and features.
- A family module paints that spec as a list of elements, back to front; `render.Scene` runs them and
  finishes the picture (bloom, grade, defocus, upscale, grain, vignette).
- A scene is a function of (prompt, seed, size, time): no global state, any frame in any order.

Families, one module each:

==============  ==================================================================
`shore`         beach, tropical beach, rocky coast, lake
`forest`        deciduous woods, conifers, jungle, bamboo, blossom park
`meadow`        prairie, flowers, hills, vineyard, desert dunes, open landscape
`city`          skyline, rooftop, neon street
`mountain`      peaks, misty valley, canyon, ruins
`interior`      library, cafe, workshop, living room
`village`       medieval street, European street cafe
`industrial`    wasteland of pipes, chimneys and smoke
`space`         planets, nebula, alien ground
`underwater`    reef, rays, bubbles, fish
==============  ==================================================================
"""
