"""A release goes to a Hub or a folder: planned, sent so that a kill costs little, visible all at once.

- `publishing.publish_release` does it; `plan` says what there is to do, `order` in which commits, `occupied`
  what may be published over.
- `spool` builds a release and publishes it shard by shard, for a disk that cannot hold it.
"""
