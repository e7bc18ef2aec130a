"""Backends, one model a file: `backends/<capability>/<name>.py` holds a class `Backend`.

A `Backend` is a dataclass whose fields are its options in the configuration, with

- `identity`: what it is for provenance and fingerprints (model, revision, version);
- `setup()`: loads what it needs, called once in the process that works;
- the methods of its capability (see `sparkle.generation.capabilities`).
"""
