"""How things show themselves in a notebook: small tables, and pictures that a report draws.

Every kind of thing has a module `notebook` beside it that registers its own HTML, so that a thing need not import it.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import singledispatch
from html import escape
from pathlib import Path
from typing import Any

from biglearn_sampler.catalogue.catalogue import Catalogue
from biglearn_sampler.catalogue.problems import told


@singledispatch
def html_of(thing: Any) -> str:
    """The HTML of a thing, from what is registered for its class or for a base of it.

    Raises:
        NotImplementedError: nothing is; a notebook then shows its `repr`.
    """
    raise NotImplementedError(f"a notebook has no HTML for {type(thing).__name__}")


def heading(text: str) -> str:
    """A line above tables and pictures."""
    return f"<p><strong>{escape(text)}</strong></p>"


def paragraph(text: str) -> str:
    """A sentence or two."""
    return f"<p>{escape(text)}</p>"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows under headings; the first column names them."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in headings)
    body = "".join(_row(row) for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def picture(report: str, draw: Callable[[Any, Path], Any], alternative: str) -> str:
    """The PNG or SVG that a report draws, inside the page; a sentence where it fails.

    Arguments:
        report: its name in the catalogue.
        draw: is given the report and a path to write to.
        alternative: says in words what the picture shows.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        # A notebook shows what it can: a missing picture must not hide the table beside it.
        try:
            draw(Catalogue().build("report", report).value, path)
        except Exception as error:
            return paragraph(f"no picture: {told(error)}")
        if not path.exists():
            return ""
        content = path.read_bytes()
    kind = "png" if content.startswith(b"\x89PNG") else "svg+xml"
    source = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return f'<img style="max-width: 100%" alt="{escape(alternative)}" src="{source}">'


def _row(cells: Sequence[str]) -> str:
    first, *others = (escape(cell) for cell in cells)
    return f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in others) + "</tr>"
