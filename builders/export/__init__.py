"""The files and folders that other trainers read."""
