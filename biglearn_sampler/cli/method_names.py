"""Methods as `--with` names them: `nuts`, or with parameters `nuts(chains=8)`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.cli.assignments import assignments
from biglearn_sampler.errors import UserError

ALL = "all"
"""Stands for every baseline in the catalogue."""

# Commas inside brackets belong to the parameters.
SEPARATOR = re.compile(r",(?![^(]*\))")
METHOD = re.compile(r"([^()=\s]+?)\s*(?:\((.*)\))?")


def methods_named(texts: Sequence[str] | None, catalogue: Catalogue) -> list[dict[str, Any]] | None:
    """What the catalogue builds the methods from; `None` if none is named.

    Arguments:
        texts: what was given, each several methods with commas between.
        catalogue: knows all of them.

    Raises:
        UserError: a text of another form.
    """
    if not texts:
        return None
    named = [part.strip() for text in texts for part in SEPARATOR.split(text) if part.strip()]
    if not named:
        raise UserError("--with takes names of baselines, with commas between; `biglearn show baselines` lists them")
    specs = [spec for text in named for spec in ([_spec(text)] if text != ALL else _all(catalogue))]
    return list({repr(spec): spec for spec in specs}.values())


def _all(catalogue: Catalogue) -> list[dict[str, Any]]:
    return [{"name": offer.qualified_name} for offer in catalogue.offers("baseline")]


def _spec(text: str) -> dict[str, Any]:
    found = METHOD.fullmatch(text)
    if found is None:
        raise UserError(f"--with takes NAME or NAME(parameter=value,...), got '{text}'")
    name, inside = found.groups()
    return {"name": name, **assignments(f"--with {name}", inside.split(",") if inside else None)}
