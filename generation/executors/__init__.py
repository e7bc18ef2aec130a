"""Where steps run: `local` uses this machine's processors."""
