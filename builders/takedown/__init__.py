"""A release without some of its samples.

`origin.ReleaseOrigin` is what stays, which `building.writer` writes as it writes any release; where the files
go then is up to `sparkle.hub.takedown`.
"""
