"""Routes that hand out files: `resolve`, and the signed URLs that large files are sent from.

As on the Hub, a large file is answered with a redirect to a URL that needs no token and runs out; a small one
is sent at once. `X-Repo-Commit` says which commit was meant, also when the file is not there: readers cache
that too.
"""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from sparkle.hub.staging.ranges import send_bytes, send_file
from sparkle.hub.staging.refusal import Refusal, no_entry
from sparkle.hub.staging.repos import load_content, resolve
from sparkle.hub.staging.trees import find
from sparkle.hub.staging.web import base_url, hub_of, path_of, repository_of, revision_of

DOWNLOAD_SECONDS = 3600  # how long the Hub's own redirects are good for


def resolve_file(request: Request) -> Response:
    """HEAD and GET R/resolve/{rev}/{path}."""
    repository = repository_of(request, content=True)
    hub = hub_of(request)
    connection = hub.database.read()
    commit = resolve(connection, repository, revision_of(request))
    path = path_of(request)
    entry = find(connection, commit.tree, path)
    if entry is None or entry.tree:
        raise no_entry(path, commit.id)
    headers = {"X-Repo-Commit": commit.id, "Content-Disposition": _disposition(path)}
    if entry.sha256 is None:
        headers["ETag"] = f'"{entry.oid.hex()}"'
        return send_bytes(request, load_content(connection, entry.oid), headers)
    purged = connection.execute(
        "SELECT 1 FROM purged WHERE repo=? AND sha256=?", (repository.id, entry.sha256)
    ).fetchone()
    if purged is not None or hub.blobs.size(entry.sha256) is None:
        raise no_entry(f"{path}: its content was permanently deleted and", commit.id)
    sha256 = entry.sha256.hex()
    signature = hub.signer.sign(DOWNLOAD_SECONDS, "get", sha256, commit.id)
    headers |= {
        "ETag": f'"{entry.oid.hex()}"',
        "X-Linked-ETag": f'"{sha256}"',
        "X-Linked-Size": str(entry.size),
        "Accept-Ranges": "bytes",
        "Location": f"{base_url(request)}/_blobs/{sha256}?commit={commit.id}&signature={signature}",
    }
    return Response(None, 302, headers)


def send_blob(request: Request) -> Response:
    """HEAD and GET /_blobs/{sha256}.

    Clients follow a redirect to the same host before they look for the commit and the size, so these stand
    here again.
    """
    hub = hub_of(request)
    sha256, commit = request.path_params["sha256"], request.query_params.get("commit", "")
    if not hub.signer.check(request.query_params.get("signature", ""), "get", sha256, commit):
        raise Refusal(403, "Forbidden", "This URL is not signed, or has run out: ask for the file again")
    blob = bytes.fromhex(sha256)
    size = hub.blobs.size(blob)
    if size is None:
        raise Refusal(404, "EntryNotFound", f"no content {sha256}")
    headers = {"ETag": f'"{sha256}"', "X-Linked-ETag": f'"{sha256}"', "X-Linked-Size": str(size)}
    if commit:
        headers["X-Repo-Commit"] = commit
    return send_file(request, hub.blobs.blob(blob), size, headers)


def _disposition(path: str) -> str:
    name = path.rpartition("/")[2]
    plain = "".join(letter if " " <= letter <= "~" and letter != '"' else "_" for letter in name)
    return f"inline; filename*=UTF-8''{quote(name)}; filename=\"{plain}\";"
