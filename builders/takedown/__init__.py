"""A release without some of its samples.

`leaving` tells what leaves, `origin.ReleaseOrigin` is what stays as something that a release is made of
(`building.writer`), `cuts` takes samples out of files. Folders and Hubs are `sparkle.hub.takedown`'s.
"""
