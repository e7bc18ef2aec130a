"""Backends of the capability `control_to_video`: the edited video from its guidance."""
