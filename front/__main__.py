"""`python -m sparkle` is the `sparkle` command."""

from sparkle.cli import main

main(prog_name="sparkle")
