"""Backends of the capability `tracker`: boxed objects followed through a clip."""
