"""Bring chosen samples of a release to this machine."""
