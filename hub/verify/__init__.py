"""Is a release what it says it is? Five levels, each usable alone, on a folder or on a Hub.

`verify.verify_release` runs them: `integrity`, `consistency`, `reshard`, `replay`, `consumers`. `verified` is
where the release is and how it is read, `repair` mends a folder from the place that it came from, `report` is
what was found. Nothing heavy is imported before it is used.
"""
