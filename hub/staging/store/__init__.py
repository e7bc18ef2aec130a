"""What the staging hub keeps: repositories, commits, contents, tokens."""
