"""EditScore: the prompts, parsing and arithmetic of its package over a model of ours.

The package `editscore` asks for torchvision, which nothing here needs: it is installed with
`pip install --no-deps editscore==0.2`, and so it is in no extra.

Backends of the capability `image_scorer`: edits judged from 0 to 10.
"""
