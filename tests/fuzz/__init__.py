"""Readers of foreign bytes, given what a seeded mutator makes of real files; `make fuzz` does so for long."""
