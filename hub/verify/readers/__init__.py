"""Scripts that read a release with other people's libraries; each runs in a process of its own."""
