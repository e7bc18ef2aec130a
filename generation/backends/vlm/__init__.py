"""Backends of the capability `vlm`: words and boxes from pictures.

What a vision-language model is asked, and how its answers are read: shared by the VLM backends.

A job is a prompt file (`prompts/`), the shape of its answer (`shapes`), and a parser that fails closed
(`answers`, `grounding`, on top of `reading`). `jobs` puts them together; a backend only carries questions
to a model and answers back.
"""
