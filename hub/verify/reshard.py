"""Level 3: the tars can be made again from what is in them, byte for byte.

How it works
- Members are taken out where the tables say that they are, in the order of ids, and put through the rules by
  which a build writes a tar; the sha256 of that must be the one that the manifest lists. So a tar holds its
  members and nothing else: no byte in a header, a padding or behind the end.
- Everything is hashed on the way and nothing is stored. A tar of a Hub is streamed once.
- A tar that an import kept as it was found is not ours to write again: it is left out, and that is said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from sparkle._files import BLOCK_BYTES
from sparkle._processes import pool_of
from sparkle._progress import Progress
from sparkle.builders.checks.failures import run_caught
from sparkle.builders.reading.place import Place
from sparkle.builders.release.assign import data_offsets
from sparkle.builders.release.tar import hash_tar
from sparkle.hub.verify.report import LevelReport, NotProvedError, VerifyOptions
from sparkle.hub.verify.verified import Verified, members_by_tar
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.validate import Finding


@dataclass(frozen=True)
class ReshardJob:
    """Makes a tar again, in whichever process.

    Attributes:
        place: Where the tar is.
        file: The tar.
        sha256: What the manifest lists for it.
        members: What the tables say is in it, by id.
    """

    place: Place
    file: str
    sha256: str
    members: tuple[Artifact, ...]

    def __call__(self) -> list[Finding]:
        """Make it again and compare."""
        return _Rebuild(self).run()


@dataclass
class _Rebuild:
    """A tar that is made again."""

    job: ReshardJob
    position: int = 0
    findings: list[Finding] = field(default_factory=list)

    def run(self) -> list[Finding]:
        """Make it; returns what is wrong."""
        sizes = [member.size for member in self.job.members]
        for member, offset in zip(self.job.members, data_offsets(sizes), strict=True):
            if member.offset != offset:  # everything behind it would lie elsewhere, too
                problem = "the member does not lie where the order of ids and the sizes put it"
                self._note(member.member, problem, got=f"byte {member.offset}", wanted=f"byte {offset}")
                return self.findings
        try:
            with self.job.place.open(self.job.file) as stream:
                made = hash_tar(
                    (member.member, member.size, self._data(stream, member)) for member in self.job.members
                )
        except ReleaseError as error:
            self._note(error.where or "", error.problem, got=error.got, wanted=error.wanted)
            return self.findings
        if made.sha256 != self.job.sha256 and not self.findings:
            problem = "made again from its members, the tar has other bytes than the manifest lists"
            self._note("", problem, got=made.sha256, wanted=self.job.sha256)
        return self.findings

    def _data(self, stream: BinaryIO, member: Artifact) -> Iterator[bytes]:
        """A member's data, in blocks; the tar is read on to where it begins."""
        self._skip(stream, member.offset - self.position)
        digest, left = hashlib.sha256(), member.size
        while left and (block := stream.read(min(left, BLOCK_BYTES))):
            digest.update(block)
            left -= len(block)
            self.position += len(block)
            yield block
        if not left and digest.digest() != member.sha256:
            problem = "another content than the sample's row names"
            self._note(member.member, problem, got=digest.hexdigest(), wanted=member.hex)

    def _skip(self, stream: BinaryIO, count: int) -> None:
        while count and (block := stream.read(min(count, BLOCK_BYTES))):
            count -= len(block)
            self.position += len(block)

    def _note(self, pointer: str, problem: str, *, got: str | None = None, wanted: str | None = None) -> None:
        self.findings.append(Finding(self.job.file, 0, pointer, problem, got, wanted))


def verify_reshard(
    release: Verified, report: LevelReport, options: VerifyOptions, progress: Progress, workers: int
) -> None:
    """Make every tar again and compare it with the manifest; findings go to the report."""
    if release.provenance().imported:
        raise NotProvedError("the release was imported: its tars are upstream's own and are not made again")
    members = members_by_tar(release)
    ids = {row.id for rows in members.values() for row in rows}
    jobs = []
    for shard in sorted(members):
        entry = release.entries.get(shard)
        if entry is None or shard not in release.files:
            report.note(shard, "rows name this tar, and it is not there or not in the manifest")
        else:
            jobs.append(ReshardJob(release.place, shard, entry.sha256, tuple(members[shard])))
    size = release.sizes(job.file for job in jobs)
    if not release.local:
        options.say(f"reshard: {len(jobs):,} tars are streamed ({size:,} bytes); nothing is stored")
    with progress("making tars again", len(jobs)) as advance, pool_of(workers) as pool:
        for answer in run_caught(pool, jobs):
            report.findings += [answer] if isinstance(answer, Finding) else answer
            advance()
    if not release.local:
        release.downloaded += size
    report.files, report.bytes, report.samples = len(jobs), size, len(ids)
    report.claim = (
        "every tar, made again from its members by the builder's rules, has the sha256 of the manifest"
    )
