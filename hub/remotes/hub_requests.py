"""What a publisher asks a Hub: who it is there, what a commit holds, whether a card is accepted.

Each is one request, or one a page; whoever asks waits out outages (`patience`).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from huggingface_hub import HfApi, get_session, hf_raise_for_status
from huggingface_hub.hf_api import RepoFile

from sparkle.hub.remotes.target import Stored
from sparkle.schemas import layout
from sparkle.schemas.errors import ConfigError, ReleaseError

_HUBS_OWN = frozenset({".gitattributes"})  # written by the Hub itself when a repository is created
_BAD_REQUEST = 400  # the status of an answer that says what is wrong with a card


def host_of(endpoint: str) -> str:
    """An endpoint without a user's name and password."""
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def refuse_reader(api: HfApi, where: str) -> None:
    """Raise ConfigError when the token may only read."""
    role = api.whoami(cache=True).get("auth", {}).get("accessToken", {}).get("role")
    if role == "read":
        raise ConfigError(
            "this token may only read",
            where=where,
            fix="take a token that may write: `hf auth login`, or set HF_TOKEN",
        )


def files_of(api: HfApi, repo: str, commit: str) -> dict[str, Stored]:
    """Every file of a commit by its path, without the Hub's own."""
    found = {}
    for item in api.list_repo_tree(repo, recursive=True, revision=commit, repo_type="dataset"):
        if not isinstance(item, RepoFile) or item.path in _HUBS_OWN:
            continue
        if item.lfs is None:
            found[item.path] = Stored(item.size, git_sha1=item.blob_id)
        else:
            found[item.path] = Stored(item.lfs.size, sha256=item.lfs.sha256)
    return found


def ask_about_card(api: HfApi, card: bytes) -> None:
    """Have a card checked by the Hub's own rules; raises ReleaseError for what they refuse."""
    question = {"content": card.decode(), "repoType": "dataset"}
    answer = get_session().post(f"{api.endpoint}/api/validate-yaml", json=question)
    if answer.status_code == _BAD_REQUEST:
        found = answer.json().get("errors", [])
        raise ReleaseError(
            "the Hub does not accept the card",
            got="; ".join(str(error.get("message")) for error in found),
            where=layout.CARD,
        )
    hf_raise_for_status(answer)
