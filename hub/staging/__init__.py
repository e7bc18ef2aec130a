"""A Hub-compatible server for rehearsal, air-gapped clusters and tests."""
