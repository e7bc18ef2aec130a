"""A static page for looking through a release."""
