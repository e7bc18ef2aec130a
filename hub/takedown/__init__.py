"""Take samples back from a published release."""
