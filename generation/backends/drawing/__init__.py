"""Backgrounds that are drawn: a recipe of the taxonomy becomes a moving picture, with numpy and OpenCV alone.

- `taxonomy.toml` has, for each scene that can be drawn, its words and its layers in one entry; each clause
  names the layer that shows it. `recipe` reads an entry, `prompt` finds the one that a prompt speaks of.
- A layer is a function of one of the modules that `recipe` lists, from `sky` to `lights`: it paints once and
  moves with time. All of them are lit by the scene's one `stage.Light`.
- `render.Scene` stacks the layers, `finish` completes the picture: bloom, grade, style, upscale, grain.
- `truth` measures whether a picture shows what its clauses say.
"""
