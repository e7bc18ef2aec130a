"""The places where a release can be: a folder (`folder`) or a dataset repository of a Hub (`hub`).

Reading: `remote.Remote` is what both can do; `opening.open_remote` finds out which of them a name means.

Writing: `target.Target` is what both can do, `folder_target` and `hub_target` do it, and
`opening_target.open_target` finds out which of them a name means.
"""
