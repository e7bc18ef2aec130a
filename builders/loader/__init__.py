"""Decoded pairs for a training loop: order, windows, torch datasets."""
