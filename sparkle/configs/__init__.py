"""The configurations that come with the package: `classical` is the default."""
