"""Plain pages for the links that clients print: what repositories there are, and what is in one.

No script, no style sheet, nothing from elsewhere. A browser has no token, so private repositories are not
shown.
"""

from __future__ import annotations

from html import escape
from itertools import islice
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from sparkle.hub.staging.names import PREFIXES
from sparkle.hub.staging.refusal import no_entry
from sparkle.hub.staging.repos import Repository, list_repositories, resolve
from sparkle.hub.staging.trees import find, walk
from sparkle.hub.staging.web import hub_of, path_of, repository_of, revision_of, user_of

_SHOWN = 1000  # entries of a folder on its page: the rest is in the API's lists
_STYLE = (
    ":root{color-scheme:light dark}"
    " body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    " td{padding:0 1.5rem 0 0} td:last-child{text-align:right;font-variant-numeric:tabular-nums}"
)


def home(request: Request) -> Response:
    """GET /: every repository that may be seen."""
    user = user_of(request)
    connection = hub_of(request).database.read()
    rows = [
        (f"{kind}s", repository.name, _page(repository))
        for kind in PREFIXES
        for repository in list_repositories(connection, kind)
        if user is not None or not repository.private
    ]
    cells = "".join(
        f"<tr><td>{kind}<td><a href='{escape(link)}'>{escape(name)}</a><td>" for kind, name, link in rows
    )
    return _html("A staging hub", f"<table>{cells or '<tr><td>No repository yet.'}</table>")


def repository(request: Request) -> Response:
    """GET the page of a repository, of a commit or of a folder."""
    found = repository_of(request, content=True)
    connection = hub_of(request).database.read()
    revision, path = revision_of(request), path_of(request)
    commit = resolve(connection, found, revision)
    folder = find(connection, commit.tree, path)
    if folder is None or folder.tree is None:
        raise no_entry(path, commit.id)
    rows = []
    for name, entry in islice(walk(connection, folder.tree, path, recursive=False), _SHOWN):
        where = "tree" if entry.tree else "resolve"
        link = f"{_page(found)}/{where}/{quote(revision, safe='')}/{quote(name)}"
        size = "" if entry.tree else f"{entry.size:,}"
        label = escape(entry.name) + ("/" if entry.tree else "")
        rows.append(f"<tr><td><a href='{escape(link)}'>{label}</a><td>{size}")
    title = f"{found.name}{f'/{path}' if path else ''} at {revision}"
    says = f"{escape(commit.title)} · {commit.id[:8]} · {commit.date}"
    return _html(title, f"<p>{says}<p><a href='/'>all repositories</a><table>{''.join(rows)}</table>")


def _page(repository: Repository) -> str:
    return f"/{PREFIXES[repository.kind]}{repository.name}"


def _html(title: str, body: str) -> Response:
    page = (
        f"<!doctype html><meta charset=utf-8><title>{escape(title)}</title><style>{_STYLE}</style>"
        f"<meta name=viewport content='width=device-width'><h1>{escape(title)}</h1>{body}"
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'"  # should a name ever slip through unescaped
    return HTMLResponse(page, headers={"Content-Security-Policy": policy})
