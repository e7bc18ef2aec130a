"""Backends of the capability `image_scorer`: edits judged from 0 to 10."""
