"""The places that a release is published to: a folder (`folder`) or a dataset repository of a Hub (`hub`).

`target.Target` is what both can do; `opening.open_target` finds out which of them a name means.
"""
