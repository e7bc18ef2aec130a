"""A Hub-compatible server for rehearsal, air-gapped clusters and tests.

`server` runs it; `app` says which address leads to which of the `routes`. Below them, `store` has the folder
(`root`), what is kept there (`database`, `blobs`), what it means (`trees`, `repos`), how it changes
(`commits`, `purging`, `uploads`, `xet`), and what is refused (`refusal`, `cards`, `tokens`).
"""
