"""Prove a release, level by level."""
