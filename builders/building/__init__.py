"""Finished runs become a release."""
