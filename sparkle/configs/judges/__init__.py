"""Judges of the package, as TOML files: `sparkle bench judge --judge NAME`."""
