"""A file goes to a Hub by LFS in parts, so that a kill costs one of them.

How it works
- The Hub says at which addresses it takes the parts of a file. They are secrets, and end with the process. A
  part is noted by the upload that it belongs to and by what the Hub answered.
- A rerun asks for addresses anew. Where they belong to the same upload, and the file is as it was, what was
  noted is read and hashed with the rest and not sent. A Hub that begins another upload gets all of it.
- The file is hashed while it is sent, and compared with the manifest before the parts are put together.
- A Hub that does not put them together may have cleared some away: then all are sent, once more.
- A Hub that takes the file in one piece, or has it, is asked and nothing else: the client does the rest.
"""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

from huggingface_hub import HfApi, get_session
from huggingface_hub.lfs import LFS_HEADERS, UploadInfo, post_lfs_batch_info

from sparkle.builders.reading.client import HubRefusal
from sparkle.builders.reading.patience import Patience
from sparkle.builders.reading.repository import DATASET, Repository
from sparkle.builders.reading.session import raise_for_status
from sparkle.builders.release.manifest import FileEntry
from sparkle.hub.targets.journal import SentJournal
from sparkle.hub.targets.target import Parcel
from sparkle.schemas.canonical import fingerprint


class PartsUpload:
    """Sends files in parts to a repository.

    Args:
        api: The client.
        repo: The dataset repository.
        journal: Where parts are noted.
        patience: Waits for the Hub.
    """

    def __init__(self, api: HfApi, repo: Repository, journal: SentJournal, patience: Patience) -> None:
        self._api = api
        self._repo = repo
        self._journal = journal
        self._patience = patience

    def send(self, parcel: Parcel) -> bool:
        """Send a file; False when the Hub takes it in one piece, or has it.

        Raises:
            SparkleError: the file is not what the manifest says, or the Hub refuses.
        """
        try:
            return self._send(parcel, recall=True)
        except HubRefusal:
            return self._send(parcel, recall=False)

    def _send(self, parcel: Parcel, *, recall: bool) -> bool:
        action = self._patience.run(lambda: self._ask(parcel.entry))
        header = action.get("header") or {}
        if "chunk_size" not in header:
            return False
        addresses = [header[name] for name in sorted(filter(str.isdigit, header), key=int)]
        upload = _upload_of(action["href"], parcel)
        digest, size, etags = hashlib.sha256(), 0, []
        with parcel.source().open("rb") as file:
            for number, address in enumerate(addresses, 1):
                data = file.read(int(header["chunk_size"]))
                digest.update(data)
                size += len(data)
                part = FileEntry(f"{parcel.entry.path}#{number}", len(data), parcel.entry.sha256)
                noted = self._journal.mark(part)
                if not (recall and noted is not None and noted[0] == upload):
                    noted = [upload, self._put(address, data)]
                    self._journal.add([(part, noted)])
                etags.append(noted[1])
        parcel.compare(size, digest.hexdigest())
        parts = [{"partNumber": number, "etag": etag} for number, etag in enumerate(etags, 1)]
        whole = {"oid": parcel.entry.sha256, "parts": parts}
        self._patience.run(
            lambda: raise_for_status(get_session().post(action["href"], json=whole, headers=LFS_HEADERS))
        )
        return True

    def _ask(self, entry: FileEntry) -> dict[str, Any]:
        """What the Hub says about the upload of a file; nothing when it has it."""
        headers = self._api._build_hf_headers()
        info = UploadInfo(entry.size, b"", bytes.fromhex(entry.sha256))
        answers, *_ = post_lfs_batch_info(
            [info],
            None,
            self._repo.kind or DATASET,
            self._repo.name,
            endpoint=self._api.endpoint,
            headers=headers,
        )
        action: dict[str, Any] = {}
        for answer in answers:
            action = (answer.get("actions") or {}).get("upload") or {}
        return action

    def _put(self, address: str, data: bytes) -> str:
        """Send a part; returns what the Hub calls it."""

        def put() -> str:
            answer = get_session().put(address, content=data)
            raise_for_status(answer)
            return str(answer.headers["etag"])

        return self._patience.run(put)


def _upload_of(address: str, parcel: Parcel) -> str:
    """Name an upload of a file, as it is now, by the address that ends it, without what signs that."""
    parts = urlsplit(address)
    return fingerprint([parts.path, parse_qs(parts.query).get("uploadId"), parcel.noted])
