"""Vision-language models: words and boxes from pictures.

A job is a prompt file (`prompts/`), the shape of its answer, and a parser that fails closed (`reading`).
`asking` puts them together; a backend only carries questions to a model and replies back.
"""
