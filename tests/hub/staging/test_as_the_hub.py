"""Answers that clients take for granted, by the unmodified client: words, names, lists, what is not here."""

from __future__ import annotations


def test_a_folder_is_deleted_with_and_without_its_slash(client):
    answer = client(
        """
api.create_repo("words/a")
add = [CommitOperationAdd(path, b"x") for path in ("one/a", "one/b/c", "two/a", "file")]
api.create_commit("words/a", add, commit_message="all")
api.create_commit("words/a", [CommitOperationDelete("one"), CommitOperationDelete("two/")],
                  commit_message="less")
answer = [api.list_repo_files("words/a"), refusal(api.create_commit, "words/a",
          [CommitOperationDelete("file/")], commit_message="a file is no folder")]
"""
    )
    assert answer == [[".gitattributes", "file"], ["RemoteEntryNotFoundError", 404]]


def test_refusals_have_the_hubs_words_and_the_clients_name_of_the_request(client):
    answer = client(
        """
api.create_repo("words/b")
head = api.model_info("words/b").sha
put = lambda text, **where: api.upload_file(path_or_fileobj=text, path_in_repo="a", repo_id="words/b",
                                            **where)
put(b"1")
def said(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except HfHubHTTPError as error:
        sent = error.response.request.headers["X-Amzn-Trace-Id"]
        return [type(error).__name__, error.server_message, error.request_id == sent]
answer = [said(put, b"2", parent_commit=head), said(api.delete_branch, "words/b", branch="main"),
          said(api.create_tag, "words/b", tag="no tag", revision="nowhere"),
          said(api.create_tag, "words/b", tag="no tag")]
card = RepoCard("---\\nlicense: Not One\\ntags: 3\\n---\\n")
try:
    card.validate(repo_type="dataset")
except ValueError as error:
    answer.append(str(error).splitlines())
RepoCard("---\\nlicense: mit\\n---\\n").validate(repo_type="dataset")
"""
    )
    moved, main, nowhere, tag, card = answer
    updated = "The branch was updated since you opened this page. Please refresh and try again."
    assert moved == ["HfHubHTTPError", updated, True]
    assert main == ["HfHubHTTPError", "Cannot delete refs/heads/main", True]
    assert nowhere == ["RevisionNotFoundError", "Invalid rev id: nowhere", True]
    assert tag == ["BadRequestError", "Invalid reference name: 'no tag'", True]
    assert card[0].startswith('- Error: "license" must be one of')
    assert len(card) == 2


def test_what_is_missing_is_named_the_repository_or_the_route(client):
    answer = client(
        """
api.create_repo("words/c", repo_type="dataset")
def said(path, method="GET"):
    response = get_session().request(method, api.endpoint + path, headers=build_hf_headers())
    return [response.status_code, response.headers["X-Error-Code"], response.headers["X-Error-Message"]]
answer = {
    "files": [api.file_exists("no-owner", "a"), api.file_exists("words/nothing", "a", repo_type="dataset"),
              api.file_exists("words/c", "a", repo_type="dataset")],
    "odd": [said("/datasets/words/c/resolve/main/"), said("/datasets/words/c/resolve/main/a%0D%0B%C3%A4")],
    "there": [said("/api/datasets/words/c/likers"),
              said("/api/datasets/words/c/discussions/1/comment"),
              said("/api/datasets/words/c/refs", "PUT")],
    "not there": [said("/api/datasets/words/nothing/likers"), said("/api/models/words/c/likers"),
                  said("/no-owner/resolve/main/a")],
}
"""
    )
    assert answer["files"] == [False, False, False]
    missing = [404, "EntryNotFound"]
    assert answer["odd"] == [[*missing, "does not exist"], [*missing, "a??? does not exist"]]
    for status, code, message in answer["there"]:
        assert (status, code) == (404, "NotFound")
        assert message.startswith(("This staging hub has no GET /", "This staging hub has no PUT /"))
    assert answer["not there"] == [[404, "RepoNotFound", "Repository not found"]] * 3


def test_lists_are_filtered_and_sorted_or_refused(client):
    answer = client(
        """
import time
cards = {"one": "license: mit\\nlanguage: en\\ntags: [video]",
         "two": "license: cc-by-4.0\\nlanguage: [en, de]",
         "three": "task_categories: [video-classification]"}
for name, card in cards.items():
    for create, kind in ((api.create_repo, "dataset"), (api.create_repo, "model")):
        create(f"lists/{name}", repo_type=kind)
        api.upload_file(path_or_fileobj=f"---\\n{card}\\n---\\n".encode(), path_in_repo="README.md",
                        repo_id=f"lists/{name}", repo_type=kind)
        time.sleep(0.002)  # dates are in milliseconds
api.update_repo_settings("lists/two", gated="auto", repo_type="dataset")
api.upload_file(path_or_fileobj=b"x", path_in_repo="a", repo_id="lists/one", repo_type="dataset")
names = lambda listed: [found.id.partition("/")[2] for found in listed]
sets = lambda **by: names(api.list_datasets(author="lists", **by))
models = lambda **by: names(api.list_models(author="lists", **by))
answer = {
    "language": [sets(filter="language:en"), sets(language="de"), models(filter="de")],
    "licence": [sets(filter="license:none"), sets(filter=["license:mit", "video"])],
    "task": sets(task_categories="video-classification"),
    "search": [sets(search="TWO"), sets(search="nothing")],
    "gated": [sets(gated=True), sets(gated=False)],
    "sorted": [sets(sort="last_modified"), sets(sort="created_at"), sets(sort="created_at", limit=1)],
    "expand": [found.private for found in api.list_datasets(author="lists", expand=["private"])],
    "refused": [refusal(lambda: list(api.list_datasets(sort="downloads"))),
                refusal(lambda: list(api.list_models(num_parameters="min:1")))],
}
"""
    )
    assert answer["language"] == [["one", "two"], ["two"], ["two"]]
    assert answer["licence"] == [[], ["one"]]
    assert answer["task"] == ["three"]
    assert answer["search"] == [["two"], []]
    assert answer["gated"] == [["two"], ["one", "three"]]
    assert answer["sorted"] == [["one", "three", "two"], ["three", "two", "one"], ["three"]]
    assert answer["expand"] == [False] * 3
    assert answer["refused"] == [["BadRequestError", 400]] * 2
