"""The whole page: sections in their order, with style and script inside, so that it needs nothing else."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from biglearn_plugins.reports.page.headline import headline, in_words, short_name, verdict_box, worst_verdict
from biglearn_plugins.reports.page.looks import looks_of
from biglearn_plugins.reports.page.markup import Markup, element
from biglearn_plugins.reports.page.method_table import method_table
from biglearn_plugins.reports.page.picture_sections import PICTURE_SECTIONS
from biglearn_plugins.reports.page.provenance import provenance
from biglearn_sampler.comparison import Comparison


def document(comparison: Comparison) -> str:
    """The page about a comparison, as one HTML text."""
    looks = looks_of(comparison)
    sections = [
        _section("table", "All methods", method_table(comparison, looks)),
        *filter(None, (section.markup(comparison, looks) for section in PICTURE_SECTIONS)),
        _section("details", "How it was made", provenance(comparison)),
    ]
    main = element("main", verdict_box(comparison), in_words(comparison), *sections, id="content")
    skip = element("a", "Skip to the verdict", href="#content", class_="skip")
    body = element("body", skip, headline(comparison), main, _footer(), _script())
    return "<!doctype html>\n" + element("html", _head(comparison), body, lang="en") + "\n"


def _section(anchor: str, title: str, *content: Markup) -> Markup:
    heading = element("h2", title, id=f"{anchor}-heading")
    return element("section", heading, *content, id=anchor, aria_labelledby=f"{anchor}-heading")


def _head(comparison: Comparison) -> Markup:
    title = f"{short_name(comparison)}: {worst_verdict(comparison)}"
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_policy()),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        # Browsers ask for an icon unless there is one.
        element("link", rel="icon", href="data:,"),
        element("style", Markup(_read("style.css"))),
    )


def _policy() -> str:
    """Nothing may be loaded, and no other script may run."""
    digest = base64.b64encode(hashlib.sha256(_read("sort.js").encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def _script() -> Markup:
    return element("script", Markup(_read("sort.js")))


def _footer() -> Markup:
    return element("footer", element("p", "Made by biglearn_sampler. This page loads nothing from anywhere."))


def _read(name: str) -> str:
    return (files("biglearn_plugins.reports.page") / name).read_text(encoding="utf-8")
