"""A folder in upstream's layout becomes a release, or an index of what lies in it."""
