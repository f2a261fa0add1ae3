"""Writes the table of the gallery into `targets/README.md`, from the catalogue itself.

python targets/update_readme.py
"""

from __future__ import annotations

from pathlib import Path

from biglearn_sampler.catalogue import Catalogue, Offer
from biglearn_sampler.errors import CatalogueError, MissingData

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- gallery: begin -->", "<!-- gallery: end -->"
COLUMNS = {
    "dimension": "dim",
    "log Z": "log Z",
    "modes": "modes",
    "exact draws": "exact draws",
    "exact channels": "exact channels",
}


def gallery_table() -> str:
    """The built-in targets with their default parameters, as a Markdown table."""
    catalogue = Catalogue()
    offers = [offer for offer in catalogue.offers("target") if offer.plugin == "biglearn_targets"]
    heading = ["name", "what", *COLUMNS.values(), "reference"]
    rows = [_row(offer, catalogue) for offer in offers]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [heading, ["---"] * len(heading), *rows])


def with_table(text: str) -> str:
    """A README whose table between the two marks is up to date."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{gallery_table()}\n{END}{after}"


def _row(offer: Offer, catalogue: Catalogue) -> list[str]:
    return [f"`{offer.entry.name}`", offer.entry.summary, *_told(offer, catalogue), offer.entry.reference or "-"]


def _told(offer: Offer, catalogue: Catalogue) -> list[str]:
    """What a target with its defaults says of itself; dashes where it needs data that are not shipped."""
    try:
        facts = catalogue.build("target", offer.qualified_name).value.describe()
    except CatalogueError as error:
        if isinstance(error.__cause__, MissingData):
            return ["-"] * len(COLUMNS)
        raise
    return [facts[name] for name in COLUMNS]


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
