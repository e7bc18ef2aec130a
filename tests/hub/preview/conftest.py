"""Pages to look at: one of a built release, one of an imported release whose frames say which they are.

Pages are opened from the disk in a headless Chromium. A page that logs an error, or asks for anything outside
its folder, fails its test, whatever the test is about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import factories, reviewer
from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.upstream.import_ import import_upstream
from sparkle.hub.preview.make import make_page

# --- an imported release ----------------------------------------------------------------------


@pytest.fixture(scope="session")
def coded_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An imported release of two samples: nothing is known of them but their prompts."""
    folder = tmp_path_factory.mktemp("coded")
    reviewer.write_upstream(folder / "upstream", 2)
    import_upstream(folder / "upstream", folder / "imported")
    return folder / "imported"


@pytest.fixture(scope="session")
def coded_page(coded_release: Path) -> Path:
    return make_page(str(coded_release), coded_release.parent / "page").out


# --- a built release --------------------------------------------------------------------------

HOSTILE = (
    "<img src=x onerror=\"window.hacked = 1\"></script><script>window.hacked = 1</script> & 'quotes' 世界"
)


@pytest.fixture(scope="session")
def built_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six samples of location, three of season, two of openve3m."""
    samples = [
        *factories.specs("location", 6),
        *factories.specs("season", 3),
        *factories.specs("openve3m", 2),
    ]
    scores = {"Sparkle_location_000003": 9.75, "Sparkle_location_000009": 8.25, "Sparkle_season_000003": 8.5}
    prompts = {"Sparkle_location_000006": HOSTILE, "Sparkle_season_000000": "Put the square on a Beach."}
    return factories.write_run(
        tmp_path_factory.mktemp("built") / "run",
        [
            replace(
                spec,
                prompt=prompts.get(spec.id),
                scores={"video_score": scores[spec.id]} if spec.id in scores else {},
            )
            for spec in samples
        ],
    )


@pytest.fixture(scope="session")
def built_release(built_run: Path) -> Path:
    out = built_run.parent / "release"
    build_release([built_run], out, ReleaseOptions(max_shard_size=20_000, preview=1))
    return out


@pytest.fixture(scope="session")
def built_page(built_release: Path) -> Path:
    return make_page(str(built_release), built_release.parent / "page").out


# --- a browser --------------------------------------------------------------------------------


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page's folder; gives a `Reviewer` when it has its first cards."""
    contexts, wrong = [], []

    def heard(message: Any, expect: str | None) -> None:
        if message.type in ("error", "warning") and not (expect and expect in message.text):
            wrong.append(message.text)

    def open_page(
        folder: Path, link: str = "", *, expect: str | None = None, script: str = "", **settings: Any
    ) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | settings)
        contexts.append(context)
        context.set_default_timeout(120_000)  # ms: only ends a hang
        context.add_init_script(script)
        page = context.new_page()
        here = folder.resolve().as_uri() + "/"
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("console", lambda message: heard(message, expect))
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith((here, "blob:")) else wrong.append(f"asked for {request.url}")
            ),
        )
        page.goto(f"{here}index.html{link}")
        page.wait_for_selector("body.is-ready .card")
        return reviewer.Reviewer(page)

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []
