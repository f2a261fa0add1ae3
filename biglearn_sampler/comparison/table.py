"""The table of a comparison: one row for each method, one column for each figure that any of them has."""

from __future__ import annotations

from dataclasses import dataclass

from biglearn_sampler.comparison.aggregate import Aggregate
from biglearn_sampler.comparison.comparison import Comparison


@dataclass(frozen=True)
class Column:
    """A figure with its heading.

    Arguments:
        heading: of the column.
        figure: its name in `metrics.json`.
        digits: behind the point; 0 for counts.
        ranged: whether the range over the seeds says more than their mean.
    """

    heading: str
    figure: str
    digits: int
    ranged: bool = False


COLUMNS = (
    Column("evaluations", "evaluations", 0, ranged=True),
    Column("modes", "modes_covered", 0, ranged=True),
    Column("mass TV", "mode_mass_tv", 4),
    Column("ELBO", "elbo", 4),
    Column("log Z", "log_z", 4),
    Column("log Z error", "log_z_error", 4),
    Column("ESS", "ess", 3),
    Column("k-hat", "khat", 2),
    Column("R-hat", "rhat_max", 2),
    Column("chain ESS", "ess_bulk_min", 0),
    Column("seconds compile", "seconds_compile", 1),
    Column("seconds run", "seconds_run", 1),
)


def table_of(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Headings and rows, as texts: means over the seeds with their standard errors, or ranges."""
    columns = [
        column
        for column in COLUMNS
        if any(comparison.figure(method, column.figure) is not None for method in comparison.methods)
    ]
    rows = [
        [method, _seeds(comparison, method), *(_cell(comparison, method, column) for column in columns)]
        for method in comparison.methods
    ]
    return ["method", "seeds", *(column.heading for column in columns)], rows


def _seeds(comparison: Comparison, method: str) -> str:
    finished, failed = len(comparison.finished(method)), len(comparison.failures(method))
    return f"{finished}" if not failed else f"{finished} ({failed} failed)"


def _cell(comparison: Comparison, method: str, column: Column) -> str:
    found = comparison.figure(method, column.figure)
    if found is None:
        return "-"
    text = _range(found, column.digits) if column.ranged else _with_error(found, column.digits)
    total = comparison.figure(method, "modes_total") if column.figure == "modes_covered" else None
    return text if total is None else f"{text} of {total.most:.0f}"


def _range(found: Aggregate, digits: int) -> str:
    ends = list(dict.fromkeys(f"{end:,.{digits}f}" for end in (found.least, found.most)))
    return " to ".join(ends)


def _with_error(found: Aggregate, digits: int) -> str:
    error = "" if found.standard_error is None else f" ± {found.standard_error:.2g}"
    # A rounded mean of -0.0 would show a sign.
    return f"{round(found.mean, digits) + 0.0:,.{digits}f}{error}"
