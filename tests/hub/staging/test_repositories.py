"""Repositories as wholes, by the unmodified client."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_a_repository_is_made_found_in_any_case_and_deleted(client, kind):
    answer = client(
        """
kind = given["kind"]
url = api.create_repo("Ann/Data-1", repo_type=kind)
again = api.create_repo("ann/data-1", repo_type=kind, exist_ok=True)
twice = refusal(api.create_repo, "ANN/data-1", repo_type=kind)
info = api.repo_info("ANN/DATA-1", repo_type=kind)
lists = {"model": api.list_models, "dataset": api.list_datasets}
names = [found.id for found in lists[kind](author="ann")]
api.delete_repo("ann/DATA-1", repo_type=kind)
gone = refusal(api.repo_info, "Ann/Data-1", repo_type=kind)
api.delete_repo("Ann/Data-1", repo_type=kind, missing_ok=True)
answer = [url.repo_id, url.repo_type, again.repo_id, twice, info.id, names, gone]
""",
        kind=kind,
    )
    missing = ["RepositoryNotFoundError", 404]
    assert answer == [
        "Ann/Data-1",
        kind,
        "Ann/Data-1",
        ["HfHubHTTPError", 409],
        "Ann/Data-1",
        ["Ann/Data-1"],
        missing,
    ]


def test_a_name_without_an_owner_belongs_to_who_asks(client):
    answer = client(
        """
who = api.whoami()
answer = [api.create_repo("mine").repo_id, who["name"], who["auth"]["accessToken"]["role"]]
"""
    )
    assert answer == ["staging/mine", "staging", "write"]


def test_who_may_read_and_write(hub, client):
    client(
        """
api.create_repo("closed/private", private=True, repo_type="dataset")
api.create_repo("closed/gated", repo_type="dataset")
api.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id="closed/gated", repo_type="dataset")
api.update_repo_settings("closed/gated", gated="auto", repo_type="dataset")
api.create_repo("closed/public", repo_type="dataset")
"""
    )
    code = """
def read(name):
    return refusal(api.dataset_info, name)
answer = {
    "private": refusal(api.dataset_info, "closed/private"),
    "gated": refusal(hf_hub_download, "closed/gated", "a.txt", repo_type="dataset"),
    "gated_check": refusal(api.auth_check, "closed/gated", repo_type="dataset"),
    "public": refusal(api.dataset_info, "closed/public"),
    "write": refusal(api.upload_file, path_or_fileobj=b"x", path_in_repo="a", repo_id="closed/public",
                     repo_type="dataset"),
    "write_check": refusal(api.auth_check, "closed/public", repo_type="dataset", write=True),
    "create": refusal(api.create_repo, "closed/new"),
    "whoami": refusal(api.whoami) if given["known"] else None,
}
"""
    nobody = client(code, token="", known=False)
    assert nobody == {
        "private": ["RepositoryNotFoundError", 401],
        "gated": ["GatedRepoError", 401],
        "gated_check": ["GatedRepoError", 401],
        "public": None,
        "write": ["HfHubHTTPError", 401],
        "write_check": ["HfHubHTTPError", 401],
        "create": ["HfHubHTTPError", 401],
        "whoami": None,
    }
    reader = client(code, token=hub.read_token, known=True)
    assert reader == nobody | {
        "private": None,
        "gated": ["GatedRepoError", 403],
        "gated_check": ["GatedRepoError", 403],
        "write": ["HfHubHTTPError", 403],
        "write_check": ["HfHubHTTPError", 403],
        "create": ["HfHubHTTPError", 403],
    }
    writer = client(code, known=True)
    assert set(writer.values()) == {None}


def test_a_wrong_token_is_told_so(client):
    answer = client("answer = [refusal(api.dataset_info, 'a/b'), refusal(api.whoami)]", token="hf_wrong")  # noqa: S106
    assert answer == [["HfHubHTTPError", 401], ["HfHubHTTPError", 401]]


def test_settings_change_who_may_read(client):
    answer = client(
        """
api.create_repo("set/tings", repo_type="dataset")
api.update_repo_settings("set/tings", private=True, repo_type="dataset")
closed = api.dataset_info("set/tings")
api.update_repo_settings("set/tings", private=False, gated="manual", repo_type="dataset")
opened = api.dataset_info("set/tings")
api.update_repo_settings("set/tings", gated=False, repo_type="dataset")
answer = [closed.private, opened.private, opened.gated, api.dataset_info("set/tings").gated]
"""
    )
    assert answer == [True, False, "manual", False]


def test_a_moved_repository_is_found_by_its_old_name_until_that_is_used_again(client):
    answer = client(
        """
kind = {"repo_type": "dataset"}
api.create_repo("Move/one", private=True, **kind)
api.create_repo("move/taken", **kind)
put = lambda name, path: api.upload_file(path_or_fileobj=b"x", path_in_repo=path, repo_id=name, **kind)
put("move/one", "a.txt")
taken = refusal(api.move_repo, "move/one", "move/TAKEN", **kind)
api.move_repo("move/one", "move/Two", **kind)
put("move/one", "b.txt")
made = api.create_pull_request("move/one", title="by the old name", **kind)
old = refusal(api.delete_repo, "move/one", **kind)  # by the name that it has, or not at all
answer = [taken, old, api.dataset_info("MOVE/one").id, api.list_repo_files("move/two", **kind)[1:], made.num,
          Path(hf_hub_download("move/one", "a.txt", **kind)).read_text()]
api.move_repo("move/two", "move/one", **kind)  # back again
answer += [api.dataset_info("move/one").id, api.dataset_info("move/two").id]
api.create_repo("move/two", **kind)
answer += [api.dataset_info("move/two").private, [found.id for found in api.list_datasets(author="move")]]
api.delete_repo("move/one", **kind)
answer.append(refusal(api.dataset_info, "move/one"))
"""
    )
    assert answer == [
        ["HfHubHTTPError", 409],
        ["RepositoryNotFoundError", 404],
        "move/Two",
        ["a.txt", "b.txt"],
        1,
        "x",
        "move/one",
        "move/one",
        False,
        ["move/one", "move/taken", "move/two"],
        ["RepositoryNotFoundError", 404],
    ]


def test_a_name_without_an_owner_is_no_repository(client):
    assert client("answer = refusal(api.dataset_info, 'squad')") == ["RepositoryNotFoundError", 404]


def test_there_are_no_spaces(client):
    code = "answer = refusal(api.create_repo, 'a/b', repo_type='space', space_sdk='static')"
    assert client(code) == ["BadRequestError", 400]


def test_names_that_the_client_would_not_send_are_refused(client):
    names = ["b.git", "--b", "..", "b/c", "b" * 97, ""]
    answer = client(
        """
def create(name):
    response = get_session().post(api.endpoint + "/api/repos/create", headers=build_hf_headers(),
                                  json={"organization": "a", "name": name})
    return [response.status_code, response.headers["X-Error-Code"]]
answer = [create(name) for name in given["names"]]
""",
        names=names,
    )
    assert answer == [[400, "BadRequest"]] * len(names)
