"""A content of a private repository is not to be had through a public one by its hash."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from pathlib import Path
from typing import Any

_TWO = """
import sys
from huggingface_hub import HfApi
api = HfApi()
for name, private, data in (("me/lfs-public", False, b"shown"), ("me/lfs-private", True, b"secret")):
    api.create_repo(name, repo_type="dataset", private=private)
    api.upload_file(repo_id=name, path_in_repo="a.tar", path_or_fileobj=data, repo_type="dataset")
"""


def ask(hub: Any, data: bytes, token: str | None = None) -> dict[str, Any]:
    """What an LFS batch of the public repository answers of a content."""
    wanted = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data)}
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(  # noqa: S310
        f"{hub.url}/datasets/me/lfs-public.git/info/lfs/objects/batch",
        data=json.dumps({"operation": "download", "objects": [wanted]}).encode(),
        headers=headers,
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)["objects"][0]
        return found


def test_a_hash_alone_opens_nothing(hub: Any, tmp_path: Path) -> None:
    hub.python(_TWO, tmp_path / "home")
    assert "download" in ask(hub, b"shown")["actions"]
    assert ask(hub, b"secret")["error"]["code"] == 404
    assert "download" in ask(hub, b"secret", hub.read_token)["actions"]
