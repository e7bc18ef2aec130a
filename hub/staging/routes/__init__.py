"""What the staging hub answers, by group of addresses."""
