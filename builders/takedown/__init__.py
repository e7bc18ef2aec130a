"""A release without some of its samples."""
