"""What to cite: the sources of the toolkit and of every entry that was used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from biglearn_sampler.catalogue.records import OWN

TOOLKIT = (
    ("big cooperative learning", "Anonymous (2024), Big Cooperative Learning to Conquer Local Optima"),
    ("BigLearn-EM", "Cong & Li (2024), Big Learning Expectation Maximization, AAAI"),
    ("JAX", "Bradbury et al. (2018), JAX: composable transformations of Python+NumPy programs"),
    (
        "NumPyro",
        "Phan, Pradhan & Jankowiak (2019), Composable Effects for Flexible and Accelerated Probabilistic Programming "
        "in NumPyro, arXiv:1912.11554",
    ),
)
"""What every run rests on, beside this package."""


def citations_of(records: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Names with their references, each once: the toolkit, then the entries of runs and comparisons.

    Arguments:
        records: as in `run.json` or `comparison.json`; with none, the version is the installed one.
    """
    entries = [pair for record in records for entry in record.get("entries", ()) for pair in _referenced(entry)]
    return list(dict.fromkeys([*_this_package(records), *TOOLKIT, *entries]))


def _this_package(records: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """This package in every version that the records were made with."""
    made_with = [record.get("versions", {}).get(OWN) for record in records]
    versions = [each for each in dict.fromkeys(made_with) if each is not None] or [version(OWN)]
    return [(OWN, f"a plugin-based energy sampler toolkit, version {each}") for each in versions]


def _referenced(value: Any) -> Iterator[tuple[str, str]]:
    """The references in the record of an entry, and of the entries among its parameters."""
    if isinstance(value, Mapping):
        if isinstance(value.get("reference"), str) and isinstance(value.get("name"), str):
            yield value["name"].split(":")[-1], value["reference"]
        for inner in value.values():
            yield from _referenced(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _referenced(inner)
