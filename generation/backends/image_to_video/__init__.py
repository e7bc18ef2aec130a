"""Backends of the capability `image_to_video`: a picture brought to life."""
