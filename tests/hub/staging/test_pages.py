"""The links that clients print lead to plain pages, on which names are names and nothing else."""

from __future__ import annotations

EVIL = "<img src=x onerror=document.title='evil'>'.txt"


def test_the_links_that_clients_print_lead_somewhere(hub, client):
    answer = client(
        """
from huggingface_hub.utils import get_session
url = api.create_repo("page/data", repo_type="dataset")
api.create_repo("page/closed", private=True)
made = api.create_commit("page/data", [
    CommitOperationAdd("a & b.txt", b"12345"), CommitOperationAdd("d/" + given["evil"], b"x"),
], commit_message="add <b>", repo_type="dataset")
get = lambda url: get_session().get(url)
pages = [get(api.endpoint + "/"), get(url), get(made.commit_url), get(url + "/tree/main/d")]
file = get(url + "/resolve/main/a%20%26%20b.txt")
answer = [[page.status_code for page in pages], [page.text for page in pages], file.text,
          get(url + "/tree/main/nowhere").status_code, get(api.endpoint + "/page/closed").status_code]
""",
        evil=EVIL,
    )
    statuses, (home, page, commit, folder), content, missing, closed = answer
    assert (statuses, content, missing, closed) == ([200] * 4, "12345", 404, 401)
    assert "page/data" in home
    assert "page/closed" not in home
    assert "a &amp; b.txt" in page
    assert "add &lt;b&gt;" in commit
    assert "<img" not in folder
