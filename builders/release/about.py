"""release.toml: what a publisher says of a release, in the publisher's own words.

Nothing in it can be read off clips or runs, and nothing is guessed where it is silent: a licence that nobody
gave is not recorded. It goes into provenance.json (`about`), from there into card and Croissant, and from a
release to the next.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import field

from sparkle.schemas.canonical import plain
from sparkle.schemas.errors import ConfigError, RecordError, did_you_mean
from sparkle.schemas.ids import THEMES
from sparkle.schemas.load import load
from sparkle.schemas.records import Record

KEY = "about"  # of provenance.json
_OTHER = "other"
_LICENSES_PAGE = "https://huggingface.co/docs/hub/repositories-licenses"
# What that page lists.
LICENSES = """
    apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0
    bigcode-openrail-m afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda
    cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0
    cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0
    cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0
    etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc h-research
    intel-research lppl-1.3c ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl openmdw-1.0 openrail++
    osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr deepfloyd-if-license
    fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 grok2-community
    gemma unknown other
""".split()  # noqa: SIM905
_CREATIVE_COMMONS = re.compile(r"cc-(by(?:-nc|-nd|-sa)*)-([0-9.]+)")
_LICENSE_NAME = re.compile(r"[a-z0-9][a-z0-9.+_-]*")  # what the Hub takes
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_ADDRESS = re.compile(r"https?://[^\s<>()]+")
# What may have several lines.
_BLOCKS = ("description", "uses", "out_of_scope", "people", "consent", "citation", "origin")


class SourceTerms(Record, frozen=True):
    """What a publisher says of the sources of a theme.

    Attributes:
        license: Under which licence they are, in any form.
        origin: Where they came from.
        link: A page with the terms.
    """

    license: str | None = None
    origin: str | None = None
    link: str | None = None


class About(Record, frozen=True):
    """What a publisher says of a release; what is left out is not recorded.

    Attributes:
        title: What the release is called.
        license: The licence of the release, by the Hub's name.
        license_name: What the licence is called where `license` is "other".
        license_link: Where its text is.
        authors: Who made the release.
        contact: An address for questions and requests to take something down.
        language: Languages of the instructions, as ISO 639 codes.
        description: What the release is, as Markdown.
        uses: What it is meant for, as Markdown.
        out_of_scope: What it must not be used for, or is no good for, as Markdown.
        people: Who is shown in the clips, as Markdown.
        consent: What they agreed to, as Markdown.
        paper: The address of its paper.
        citation: BibTeX.
        links: Name to address of further pages.
        sources: Theme to what there is to say of its sources.
    """

    title: str | None = None
    license: str | None = None
    license_name: str | None = None
    license_link: str | None = None
    authors: tuple[str, ...] = ()
    contact: str | None = None
    language: tuple[str, ...] = ()
    description: str | None = None
    uses: str | None = None
    out_of_scope: str | None = None
    people: str | None = None
    consent: str | None = None
    paper: str | None = None
    citation: str | None = None
    links: dict[str, str] = field(default_factory=dict)
    sources: dict[str, SourceTerms] = field(default_factory=dict)

    def record(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """A provenance document that records this; where nothing was said, the document as it is."""
        said = plain(self)
        return {**document, KEY: said} if said else dict(document)


def about_in(document: Mapping[str, Any]) -> About:
    """What a provenance document records."""
    return load(About, document[KEY], f"/{KEY}") if KEY in document else About()


def read_about(file: Path) -> About:
    """Read what a publisher says.

    Raises:
        ConfigError: the file cannot be read, or has an unknown key or a value that is not what it should be.
    """
    try:
        table = tomllib.loads(file.read_text("utf-8"))
        about = load(About, table)
    except OSError as error:
        raise ConfigError("the file cannot be read", got=error.strerror, where=file) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError("the file is not TOML", got=error, where=file) from None
    except RecordError as error:
        known = (error.wanted or "").split(", ") if error.problem == "unknown key" else ()
        raise ConfigError(
            error.problem,
            got=error.got,
            wanted=error.wanted,
            where=f"{file}: {(error.where or '').strip('/').replace('/', '.')}",
            fix=did_you_mean(error.got or "", known),
        ) from None
    _check_texts(table, f"{file}: ")
    _check_license(about, file)
    _check_forms(about, file)
    return about


def license_address(license_id: str | None) -> str | None:
    """The page of a licence, of which Creative Commons alone has one for each of the Hub's names."""
    if license_id == "cc0-1.0":
        return "https://creativecommons.org/publicdomain/zero/1.0/"
    match = _CREATIVE_COMMONS.fullmatch(license_id or "")
    return f"https://creativecommons.org/licenses/{match[1]}/{match[2]}/" if match else None


def _check_texts(table: Mapping[str, Any], where: str) -> None:
    """Refuse text that says nothing; several lines have room where Markdown has."""
    for key, value in table.items():
        place = f"{where}{key}"
        if isinstance(value, dict):
            _check_texts(value, f"{place}.")
            continue
        for text in value if isinstance(value, list) else [value]:
            if not text.strip():
                raise ConfigError("the text is empty", wanted="some text, or no such key", where=place)
            if key not in _BLOCKS and len(text.strip().splitlines()) > 1:
                raise ConfigError(
                    "the text has several lines", got=repr(text), wanted="one line", where=place
                )


def _check_license(about: About, file: Path) -> None:
    where, given = f"{file}: license", (about.license or "").lower().replace(" ", "-")
    if about.license is not None and about.license not in LICENSES:
        raise ConfigError(
            "the Hub knows no such licence",
            got=about.license,
            wanted=f"an id of {_LICENSES_PAGE}, such as cc-by-4.0",
            where=where,
            fix=did_you_mean(given, [known for known in LICENSES if known.startswith(given)] or LICENSES)
            or 'license = "other", with license_name and license_link, for one that is not listed',
        )
    if (about.license == _OTHER) != (about.license_name is not None):
        raise ConfigError(
            "license_name belongs to the licence that is called other",
            got=f"license = {about.license}, license_name = {about.license_name}",
            wanted='both license = "other" and license_name, or license alone',
            where=where,
        )
    if about.license_name is not None and not _LICENSE_NAME.fullmatch(about.license_name):
        wanted = "lower-case letters, digits and . + _ -, such as my-lab-terms"
        raise ConfigError(
            "not a name that the Hub takes", got=about.license_name, wanted=wanted, where=f"{where}_name"
        )


def _check_forms(about: About, file: Path) -> None:
    """Refuse codes, addresses and themes that are none."""
    for code in about.language:
        if not _LANGUAGE.fullmatch(code):
            raise ConfigError(
                "not a code of a language", got=code, wanted="ISO 639, such as en", where=f"{file}: language"
            )
    addresses = {"paper": about.paper, "license_link": about.license_link}
    addresses |= {f"links.{name}": link for name, link in about.links.items()}
    addresses |= {f"sources.{theme}.link": terms.link for theme, terms in about.sources.items()}
    for key, address in addresses.items():
        if address is not None and not _ADDRESS.fullmatch(address):
            wanted = "an address that begins with https://"
            raise ConfigError("not an address", got=address, wanted=wanted, where=f"{file}: {key}")
    for theme in about.sources:
        if theme not in THEMES:
            raise ConfigError(
                "no such theme",
                got=theme,
                wanted=", ".join(THEMES),
                where=f"{file}: sources.{theme}",
                fix=did_you_mean(theme, THEMES),
            )
