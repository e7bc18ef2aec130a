"""Samples leave a release that is there: in a folder, or published on a Hub.

`folder.take_down` edits a release in its place, `repository.take_down` one on a Hub, of which it transfers
what changes and nothing else. `history` says what older commits still hold, `purge` removes it. What is
written is made by `sparkle.builders.release.removed*`; `hub.publish.returned` keeps it from coming back.
"""
