"""Backends of the capability `vlm`: words and boxes from pictures."""
