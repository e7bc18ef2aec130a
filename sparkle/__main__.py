"""`python -m sparkle` is the `sparkle` command."""

from sparkle.commands import main

main(prog_name="sparkle")
