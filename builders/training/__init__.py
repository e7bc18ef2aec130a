"""Decoded pairs for a training loop: order, windows, torch datasets.

The files and folders that other trainers read.
"""
