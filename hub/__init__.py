"""Floor 4, the hub: releases are compared, published and proved, in folders or on a Hub.

`remotes` reads a release where it is; `diff.compare_releases` says how two of them differ. Nothing heavy is
imported before it is used.
"""
