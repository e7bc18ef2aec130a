"""SAM3 as a tracker of boxed objects: one session a clip, one pass an anchor."""
