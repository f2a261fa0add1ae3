"""The tables of a run: figures and moments, baselines beside the sampler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from biglearn_sampler.cli.tables import print_table
from biglearn_sampler.runs.numerals import numeral, numeral_with_error

COSTS = (
    "energy_evaluations",
    "gradient_evaluations",
    "exact_channel_evaluations",
    "seconds_compile",
    "seconds_run",
)
ASIDE = {"standard_errors", "reasons", "moments", "baselines", "notes", "task_steps", "verdict", "seconds_verdict"}
MOST_MOMENTS = 40
"""Rows of the table of moments; `metrics.json` has them all."""


def print_run_tables(metrics: Mapping[str, Any]) -> None:
    """Print the figures, and the moments of the named quantities."""
    methods = {"sampler": metrics} | {
        name: figures for name, figures in metrics.get("baselines", {}).items() if "failed" not in figures
    }
    _print_figures(methods)
    _print_moments(methods)


def _print_figures(methods: Mapping[str, Mapping[str, Any]]) -> None:
    names = list(
        dict.fromkeys(
            name
            for figures in methods.values()
            for name, value in figures.items()
            if name not in ASIDE and name not in COSTS and (value is None or isinstance(value, int | float))
        )
    )
    shown = [name for name in names if any(figures.get(name) is not None for figures in methods.values())]
    rows = [[name, *(numeral_with_error(figures, name) for figures in methods.values())] for name in (*shown, *COSTS)]
    rows += _asked_by_verdict(methods)
    print_table(("figure", *methods), rows, labels=1)


def _asked_by_verdict(methods: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """What the verdict asked and took, beyond the training; nothing where there is no verdict."""
    told = {
        "verdict_evaluations": [figures.get("verdict", {}).get("evaluations") for figures in methods.values()],
        "seconds_verdict": [figures.get("seconds_verdict") for figures in methods.values()],
    }
    return [[name, *map(numeral, each)] for name, each in told.items() if any(one is not None for one in each)]


def _print_moments(methods: Mapping[str, Mapping[str, Any]]) -> None:
    quantities = list(methods["sampler"].get("moments", {}))
    columns = [f"{method} {part}" for method in methods for part in ("mean", "mcse", "sd")]
    rows = [
        [
            quantity,
            *(
                numeral(figures.get("moments", {}).get(quantity, {}).get(part))
                for figures in methods.values()
                for part in ("mean", "mcse", "sd")
            ),
        ]
        for quantity in quantities[:MOST_MOMENTS]
    ]
    print()
    print_table(("quantity", *columns), rows, labels=1, together=3)
    if len(quantities) > MOST_MOMENTS:
        print(f"... and {len(quantities) - MOST_MOMENTS} more in metrics.json")
