"""A Hub-compatible server for rehearsal, air-gapped clusters and tests.

`running` is what `sparkle-hub serve` does; `app` lists the routes (`api_*`). Below them: `root` the folder,
`database` and `blobs` what is kept, `trees`, `repos` and `history` what it means, `commit_stream` and
`committing` how it changes, `xet_format` and `xet_store` uploads by Xet, `card_rules` what the Hub wants of a
card.
"""
