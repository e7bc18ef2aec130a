"""Pairs for training: decoded, in an order that resumes exactly, or as the files that other trainers read."""
