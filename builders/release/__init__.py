"""What a release is on disk: tars, tables, text, manifest, and what was removed from it."""
