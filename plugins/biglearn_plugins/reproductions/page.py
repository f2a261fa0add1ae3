"""One page about reproductions: what the papers say, what was found, and the pictures."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from importlib.resources import files

from biglearn_plugins.reports.page.markup import Markup, element, joined
from biglearn_plugins.reproductions.reproduction import Finding, Reproduction

Found = Sequence[tuple[Reproduction, Finding]]

TITLE = "The simulations of the papers, made again"
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Nothing may be loaded, and no script may run."""

SIGNS = {
    "agrees": ("\N{CHECK MARK}", "covered"),
    "differs": ("\N{BALLOT X}", "not-covered"),
    "failed": ("?", "cannot-tell"),
}
"""Sign and tone of a verdict; the tones are those of the page about a comparison."""


def page_of(found: Found, wanted: int | None = None) -> str:
    """The page as one HTML text that needs nothing else.

    Arguments:
        found: so far.
        wanted: how many there will be; by default these are all.
    """
    header = element("header", element("h1", TITLE), element("p", _counted(found, wanted), class_="about"))
    sections = (_section(reproduction, finding) for reproduction, finding in found)
    body = element("body", header, element("main", *sections), _footer())
    return "<!doctype html>\n" + element("html", _head(), body, lang="en") + "\n"


def _counted(found: Found, wanted: int | None) -> str:
    agreeing, failed = (sum(getattr(finding, name) for _, finding in found) for name in ("agrees", "failed"))
    told = f"{agreeing} of {len(found)} agree with what the papers say"
    told += f"; {failed} could not be made" if failed else ""
    left = 0 if wanted is None else wanted - len(found)
    return f"{told}; {left} more {'was' if left == 1 else 'were'} still to be made." if left else f"{told}."


def _head() -> Markup:
    style = (files("biglearn_plugins.reports.page") / "style.css").read_text(encoding="utf-8")
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", TITLE),
        element("link", rel="icon", href="data:,"),
        element("style", Markup(style)),
        element("style", Markup("figure img { width: auto; max-width: 100%; }")),
    )


def _section(reproduction: Reproduction, finding: Finding) -> Markup:
    heading = element("h2", reproduction.title, id=f"{reproduction.name}-heading")
    return element(
        "section",
        heading,
        element("p", element("strong", "The paper: "), reproduction.claim),
        _verdict(finding),
        *(picture.figure() for picture in finding.pictures),
        *(_moving(name, content) for name, content in finding.animations.items()),
        *([_table(reproduction, finding)] if finding.headings else []),
        id=reproduction.name,
        aria_labelledby=f"{reproduction.name}-heading",
    )


def _verdict(finding: Finding) -> Markup:
    sign, tone = SIGNS[finding.verdict]
    word = element("p", element("span", sign, class_="sign", aria_hidden="true"), finding.verdict, class_="word")
    return element("div", word, element("p", finding.sentence, class_="because"), class_=f"verdict {tone}")


def _moving(name: str, content: bytes) -> Markup:
    source = "data:image/gif;base64," + base64.b64encode(content).decode()
    alt = f"What the picture shows, one after another, as {name}."
    return element("figure", element("figcaption", "The same, moving."), element("img", src=source, alt=alt))


def _table(reproduction: Reproduction, finding: Finding) -> Markup:
    head = element("tr", *(element("th", heading, scope="col") for heading in finding.headings))
    body = (element("tr", *(element("td", cell) for cell in row)) for row in finding.rows)
    table = element("table", element("thead", head), element("tbody", *body), class_="plain")
    return element(
        "div", table, class_="scroll", role="region", aria_label=f"Table of {reproduction.title}", tabindex="0"
    )


def _footer() -> Markup:
    said = joined("Made by ", element("code", "biglearn reproduce"), ". This page loads nothing from anywhere.")
    return element("footer", element("p", said))
