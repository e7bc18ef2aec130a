"""Procedural background scenes: a prompt becomes a moving picture, with numpy and OpenCV alone.

- `match` reads the prompt into a `SceneSpec`: a family, a kind, season, time of day, weather, style, energy
  of motion, particles and features.
- `mood` turns season, time and weather into light and colour, the same for everything in the picture.
- A family module paints the spec as a list of elements, back to front; `render.Scene` moves and stacks them
  and `finish` completes the picture (bloom, grade, defocus, upscale, vignette, grain).
- A scene is a function of (prompt, seed, size, time): no global state, any frame in any order.

Families, one module each, with the modules of their larger kinds:

==============  ========================================================================
`shore`         beach, tropical beach, rocky coast, lake (`surf`, `water`)
`forest`        broadleaf woods, firs, jungle, bamboo, park in blossom or leaf (`park`)
`meadow`        meadow, prairie, flowers, vineyard, dunes, landscape at dusk
`city`          skyline, rooftop, neon street (`neon`)
`mountain`      peaks, misty valley, canyon, ruins (`massif`, `terrain`)
`interior`      library, cafe, workshop, living room (`room`, `furniture`)
`village`       medieval street, European street cafe (`street`, `timber`, `townhouse`)
`industrial`    wasteland, factory
`space`         planet and nebula, the ground of another world
`underwater`    reef, deep floor
==============  ========================================================================
"""
