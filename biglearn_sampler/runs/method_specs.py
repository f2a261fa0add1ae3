"""Baselines as users write them: names, `nuts(chains=8)`, tables with a name and parameters, or baselines."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from biglearn_sampler.catalogue import Built, Catalogue
from biglearn_sampler.catalogue.values import shown
from biglearn_sampler.errors import UserError
from biglearn_sampler.evaluation import AbstractBaseline

ALL = "all"
"""Stands for every baseline in the catalogue."""

# Commas inside brackets belong to the parameters.
SEPARATOR = re.compile(r",(?![^(]*\))")
METHOD = re.compile(r"([^()=\s]+?)\s*\((.*)\)")


def method_specs(given: Any, catalogue: Catalogue) -> list[Any]:
    """What the catalogue builds baselines from.

    Arguments:
        given: one baseline or a sequence of them; texts as the command line's `--with` takes them.
        catalogue: knows all of them.

    Raises:
        UserError: something of another form.
    """
    one = isinstance(given, (str, Mapping, AbstractBaseline, Built))
    if not one and not isinstance(given, Sequence):
        raise UserError(
            f"baselines must be a list of names such as 'nuts' or 'nuts(chains=8)', got {shown(given)}; a table is "
            "{'name': 'nuts', 'chains': 8}"
        )
    return [spec for each in ([given] if one else given) for spec in _specs(each, catalogue)]


def _specs(given: Any, catalogue: Catalogue) -> list[Any]:
    if isinstance(given, Mapping) and "name" not in given:
        raise UserError(
            f"a baseline as a table has its name in it, as in {{'name': 'nuts', 'chains': 8}}, got {shown(given)}"
        )
    if not isinstance(given, str):
        return [given]
    texts = [text.strip() for text in SEPARATOR.split(given) if text.strip()]
    return [spec for text in texts for spec in (_all(catalogue) if text == ALL else [_spec(text)])]


def _all(catalogue: Catalogue) -> list[str]:
    """By their bare names, as anybody would write them, where these tell them apart."""
    offers = catalogue.offers("baseline")
    names = [offer.entry.name for offer in offers]
    return [offer.qualified_name if names.count(name) > 1 else name for name, offer in zip(names, offers, strict=True)]


def _spec(text: str) -> str | dict[str, str]:
    if "(" not in text and ")" not in text:
        return text
    found = METHOD.fullmatch(text)
    pairs = [pair.partition("=") for pair in found[2].split(",") if pair.strip()] if found else []
    if found is None or not all(equals and name.strip() for name, equals, _ in pairs):
        raise UserError(f"a baseline is written NAME or NAME(parameter=value,...), got '{text}'")
    parameters = {name.strip(): value.strip() for name, _, value in pairs}
    if len(parameters) < len(pairs):
        raise UserError(f"a parameter is given twice in '{text}'")
    return {"name": found[1], **parameters}
