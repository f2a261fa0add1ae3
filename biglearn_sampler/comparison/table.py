"""The table of a comparison: one row for each method, one column for each figure that any of them has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from biglearn_sampler.comparison.aggregate import Aggregate, aggregate
from biglearn_sampler.comparison.comparison import Comparison
from biglearn_sampler.comparison.trial import Trial


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
    groups = {(method,): [*comparison.finished(method), *comparison.failures(method)] for method in comparison.methods}
    return table_of_groups(("method",), groups)


def table_of_groups(
    names: Sequence[str], groups: Mapping[tuple[str, ...], Sequence[Trial]]
) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of trials in groups, each of one method on its seeds.

    Arguments:
        names: headings of what tells the groups apart.
        groups: the trials of each, failed ones included.
    """
    finished = {place: [trial for trial in trials if trial.failed is None] for place, trials in groups.items()}
    columns = [column for column in COLUMNS if any(aggregate(column.figure, good) for good in finished.values())]
    rows = [
        [*place, _seeds(len(good), len(groups[place]) - len(good)), *(_cell(good, column) for column in columns)]
        for place, good in finished.items()
    ]
    return [*names, "seeds", *(column.heading for column in columns)], rows


def _seeds(finished: int, failed: int) -> str:
    return f"{finished}" if not failed else f"{finished} ({failed} failed)"


def _cell(trials: Sequence[Trial], column: Column) -> str:
    found = aggregate(column.figure, trials)
    if found is None:
        return "-"
    text = _range(found, column.digits) if column.ranged else _with_error(found, column.digits)
    total = aggregate("modes_total", trials) if column.figure == "modes_covered" else None
    return text if total is None else f"{text} of {total.most:.0f}"


def _range(found: Aggregate, digits: int) -> str:
    ends = list(dict.fromkeys(f"{end:,.{digits}f}" for end in (found.least, found.most)))
    return " to ".join(ends)


def _with_error(found: Aggregate, digits: int) -> str:
    error = "" if found.standard_error is None else f" ± {found.standard_error:.2g}"
    # A rounded mean of -0.0 would show a sign.
    return f"{round(found.mean, digits) + 0.0:,.{digits}f}{error}"
