"""Backends of the capability `image_editor`: a new background, the foreground removed."""
