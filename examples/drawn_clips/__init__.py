"""Clips that are drawn: moving subjects before still scenes, with true masks."""
