"""The places where a release can be: a folder (`folder`) or a dataset repository of a Hub (`hub`).

`remote.Remote` is what both can do; `opening.open_remote` finds out which of them a name means.
"""
