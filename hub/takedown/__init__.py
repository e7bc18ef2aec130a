"""Samples leave a release that is there: in a folder, or published on a Hub.

`folder.take_down` replaces a release in a folder, `repository.take_down` one on a Hub, of which it transfers
what changes and nothing else. `history` says what older commits still hold, `purge` removes it. What is
written is made by `sparkle.builders.takedown`; `hub.publish.plan` keeps it from coming back.
"""
