"""Camera motion from a learned dense flow."""
