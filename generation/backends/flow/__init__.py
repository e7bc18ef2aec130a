"""Backends of the capability `flow`: how the camera moves."""
