"""Every metric tells exact draws from those of a sampler with a fault, as the table in `docs/metrics.md` says."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from biglearn_sampler.catalogue import Catalogue

CHECKOUT = Path(__file__).parent.parent
DOCUMENT = CHECKOUT / "docs" / "metrics.md"
SEEDS = range(10, 13)
"""Others than those of the table."""


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("metric_faults", CHECKOUT / "benchmarks" / "metric_faults.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = script  # dataclasses look their module up
    spec.loader.exec_module(script)
    return script


SCRIPT = _script()
CATALOGUE = Catalogue(only=["biglearn-sampler"])
METRICS = SCRIPT.built_in(CATALOGUE)


def told() -> dict[str, dict[str, str]]:
    """The cells of the table, by figure and fault."""
    table = DOCUMENT.read_text(encoding="utf-8").split("<!-- faults: begin -->")[1].split("<!-- faults: end -->")[0]
    rows = [line.strip("| ").split(" | ") for line in table.strip().splitlines()]
    heading = rows[0][2:]
    return {row[1].strip("`"): dict(zip(heading, row[2:], strict=True)) for row in rows[2:]}


TOLD = told()


def strongest(figure: str) -> str | None:
    """The fault that the table says a figure sees best; `None` if it sees none for every seed."""
    errors = {
        fault: float(re.sub(r"\D", "", cell) or 1e6) for fault, cell in TOLD[figure].items() if cell.startswith("**")
    }
    return max(errors, key=lambda fault: errors[fault]) if errors else None


def test_every_built_in_metric_is_in_the_tables():
    assert {f"biglearn_metrics:{name}" for name in METRICS} == {
        offer.qualified_name for offer in CATALOGUE.offers("metric")
    }
    assert set(TOLD) == {figure for figures in SCRIPT.SIGNALS.values() for figure, _ in figures}
    text = DOCUMENT.read_text(encoding="utf-8")
    updated = SCRIPT.with_table(text, "metrics", SCRIPT.metric_table(METRICS, CATALOGUE))
    assert updated == text, "run `python benchmarks/metric_faults.py`"


def test_the_preset_has_every_built_in_metric():
    (preset,) = (offer.entry for offer in CATALOGUE.offers("settings") if offer.entry.name == "all_metrics")
    assert sorted(preset.build()["metrics"]) == sorted(METRICS)


@pytest.mark.parametrize("name", SCRIPT.SIGNALS)
def test_a_planted_fault_is_told_from_exact_draws(name):
    seen = {figure: fault for figure, _ in SCRIPT.SIGNALS[name] if (fault := strongest(figure))}
    assert seen, "the table must have a fault that the metric sees"
    right = "exact chains" if name == "chain_diagnostics" else "exact"
    for seed in SEEDS:
        of_exact = SCRIPT.signals(METRICS[name], right, seed)
        for figure, errors in of_exact.items():
            assert errors is None or errors < SCRIPT.SEEN, f"{figure} accuses exact draws, seed {seed}"
        for fault in set(seen.values()):
            found = SCRIPT.signals(METRICS[name], fault, seed)
            for figure in seen:
                assert seen[figure] != fault or found[figure] >= SCRIPT.SEEN, f"{figure} misses: {fault}, seed {seed}"


@pytest.mark.slow
def test_the_table_of_faults_is_up_to_date():
    """What is seen and what is not; the numbers differ between machines by rounding."""
    again = SCRIPT.with_table(DOCUMENT.read_text(encoding="utf-8"), "faults", SCRIPT.fault_table(METRICS))
    rows = [line for line in again.splitlines() if line.startswith("| `")]
    for row in rows:
        cells = row.strip("| ").split(" | ")
        figure = cells[1].strip("`")
        if figure in TOLD:
            assert [cell.startswith("**") for cell in cells[2:]] == [
                cell.startswith("**") for cell in TOLD[figure].values()
            ], f"{figure}: run `python benchmarks/metric_faults.py`"
