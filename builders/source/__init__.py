"""Open any artifact of any sample where it is: a loose file, a tar, or a Hub."""
