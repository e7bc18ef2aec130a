"""`sparkle build` and `sparkle validate`.

Only click and the contract are imported here; what does the work is imported by the command that needs it.
"""

from __future__ import annotations

from pathlib import Path

import click

from sparkle.schemas.errors import ConfigError
from sparkle.schemas.terminal import Terminal

# The Hub shows at most 10,000 files a folder and takes 100,000 a repository: 1,000 samples of eight kinds
# in five themes are 40,000.
_MAX_PREVIEW = 1000


class _Size(click.ParamType[int]):
    """Bytes of "5GB" and the like."""

    name = "size"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from sparkle.builders.assign import parse_size

        try:
            return parse_size(str(value))
        except ConfigError as error:
            self.fail(f"{error.problem}: got {error.got}, wanted {error.wanted}", param, ctx)


_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Where the release goes; a release is replaced.",
)
@click.option(
    "--max-shard-size",
    default="5GB",
    show_default=True,
    type=_Size(),
    help="The most bytes of a tar, such as 500MB.",
)
@click.option(
    "--preview",
    default=100,
    show_default=True,
    type=click.IntRange(0, _MAX_PREVIEW),
    help="How many first samples of a theme also stand loose and have a preview.",
)
@_JSON
def build(runs: tuple[Path, ...], out: Path, max_shard_size: int, preview: int, as_json: bool) -> None:
    """Turn finished runs into a release.

    The release can be read by `datasets`, tar and csv readers. It is written beside --out and takes its
    place at the end; built twice, it is byte-identical.

    Example: sparkle build runs/demo --out releases/demo
    """
    terminal = Terminal(as_json=as_json)
    with terminal.guard():
        from sparkle.builders.provenance import ReleaseOptions
        from sparkle.builders.release import build_release

        options = ReleaseOptions(max_shard_size, preview)
        summary = build_release(runs, out, options, terminal.progress)
    if summary.pending:
        terminal.say(
            f"note: {summary.pending} samples pass as far as they were taken; `sparkle generate` on the run "
            "takes them to the end"
        )
    rows = [[theme, str(count)] for theme, count in summary.samples.items()]
    terminal.table("samples", ["theme", "pairs"], rows)
    first = next(iter(summary.samples))
    terminal.result(
        f"{summary.out}: {summary.files} files, {summary.bytes:,} bytes\n"
        f"next: sparkle validate {summary.out}\n"
        f'      datasets.load_dataset("{summary.out}", "{first}", split="train")',
        {
            "out": str(summary.out),
            "files": summary.files,
            "bytes": summary.bytes,
            "samples": summary.samples,
            "pending": summary.pending,
        },
    )


@click.command()
@click.argument("release", metavar="RELEASE", type=click.Path(path_type=Path))
@_JSON
def validate(release: Path, as_json: bool) -> None:
    """Check that a release is whole and agrees with itself.

    Every finding is printed with its file, line and pointer; the exit code is 1 when there is one. The
    contents of tars are not read: `sparkle-hub verify` does that.

    Example: sparkle validate releases/demo
    """
    terminal = Terminal(as_json=as_json)
    with terminal.guard():
        from dataclasses import asdict

        from sparkle.builders.release_check import check_release

        report = check_release(release, terminal.progress)
    samples = ", ".join(f"{count} {theme}" for theme, count in report.samples.items())
    count = len(report.findings)
    verdict = f"{count} finding{'s' if count > 1 else ''}" if count else "whole"
    summary = f"{release}: {verdict} ({report.files} files; samples: {samples or 'none'})"
    terminal.result(
        "\n".join([*map(str, report.findings), summary]),
        {
            "findings": [asdict(finding) for finding in report.findings],
            "files": report.files,
            "samples": report.samples,
        },
    )
    raise SystemExit(1 if count else 0)
