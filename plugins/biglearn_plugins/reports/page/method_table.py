"""The table: one row for each method, one column for each figure that any method has."""

from __future__ import annotations

from biglearn_plugins.reports.page.columns import Column, columns_for
from biglearn_plugins.reports.page.looks import Look
from biglearn_plugins.reports.page.markup import Markup, breakable, element, joined
from biglearn_plugins.reports.page.numbers_as_text import counted, exact
from biglearn_sampler.comparison import OURS, Aggregate, Comparison

DASH = "\N{EN DASH}"
NO_REASON = "no trial of this method has this figure"


def method_table(comparison: Comparison, looks: dict[str, Look]) -> Markup:
    """The table in a box of its own that scrolls, and what its columns mean."""
    columns = _worth_showing(comparison)
    head = element("tr", _heading("Method", "text", None), _seeds_heading(), *map(_column_heading, columns))
    body = (_row(comparison, method, looks[method], columns) for method in comparison.methods)
    table = element("table", element("thead", head), element("tbody", *body), class_="sortable", id="methods")
    box = element("div", table, class_="scroll", role="region", aria_label="Table of methods", tabindex="0")
    return joined(box, _legend(comparison, columns))


def missing_reason(comparison: Comparison, method: str, figure: str) -> str:
    """Why a method has no such figure."""
    trials = [trial for trial in comparison.trials if trial.method == method]
    told = [(trial.figures.get("reasons") or {}).get(figure) for trial in trials if trial.failed is None]
    # What another seed failed of is no reason of those that finished.
    told = told or [trial.failed for trial in trials]
    return next((str(reason) for reason in told if reason), NO_REASON)


def _worth_showing(comparison: Comparison) -> list[Column]:
    columns = columns_for(comparison.target.facts.log_z is not None)
    return [
        column
        for column in columns
        if any(comparison.figure(method, column.figure) is not None for method in comparison.methods)
    ]


def _row(comparison: Comparison, method: str, look: Look, columns: list[Column]) -> Markup:
    cells = [_cell(comparison, method, column) for column in columns]
    if columns and not comparison.finished(method):
        cells = [element("td", *_reasons(comparison, method), class_="failed", colspan=len(columns))]
    name = element("th", look.swatch(), breakable(method), scope="row", data_sort=method)
    ours = "ours" if method == OURS else None
    return element("tr", name, _seeds(comparison, method), *cells, class_=ours)


def _reasons(comparison: Comparison, method: str) -> list[Markup]:
    reasons = dict.fromkeys(str(trial.failed) for trial in comparison.failures(method))
    return [element("span", f"Failed: {reason}") for reason in reasons]


def _seeds(comparison: Comparison, method: str) -> Markup:
    """How many seeds finished, with the reasons of those that did not where there are such and such."""
    finished, failed = len(comparison.finished(method)), len(comparison.failures(method))
    reasons = "; ".join(dict.fromkeys(str(trial.failed) for trial in comparison.failures(method)))
    some = finished and failed
    told = element("small", f"{failed} failed", class_="failed") if some else None
    return element("td", f"{finished} of {finished + failed}", told, title=reasons or None, data_sort=finished)


def _cell(comparison: Comparison, method: str, column: Column) -> Markup:
    each = comparison.figure(method, column.figure)
    if each is None:
        reason = missing_reason(comparison, method, column.figure)
        return element("td", element("abbr", DASH, title=reason), class_="missing", data_sort="")
    below = [*_range(column, each), *_floor(comparison, method, column)]
    shown = column.mean(each) + _out_of(comparison, method, column)
    lines = (element("small", line) for line in below)
    return element("td", shown, *lines, title=_in_full(each), data_sort=repr(float(column.rank(each))))


def _out_of(comparison: Comparison, method: str, column: Column) -> str:
    total = column.out_of and comparison.figure(method, column.out_of)
    return f" of {column.plain(total.most)}" if total else ""


def _range(column: Column, each: Aggregate) -> list[str]:
    told = column.range(each)
    return [told] if each.count > 1 and told != column.plain(each.mean) else []


def _floor(comparison: Comparison, method: str, column: Column) -> list[str]:
    floor = column.floor and comparison.figure(method, column.floor)
    return [f"exact draws: {column.plain(floor.mean)}"] if floor else []


def _in_full(each: Aggregate) -> str:
    error = "unknown" if each.standard_error is None else exact(each.standard_error)
    over = f"over {counted(each.count, 'seed')}: {exact(each.least)} to {exact(each.most)}"
    return f"mean {exact(each.mean)}, standard error {error}, {over}"


def _column_heading(column: Column) -> Markup:
    return _heading(column.heading, "number", column.meaning, larger_first=column.larger_first)


def _seeds_heading() -> Markup:
    return _heading("Seeds", "number", "trials that finished", larger_first=True)


def _heading(text: str, kind: str, meaning: str | None, *, larger_first: bool = False) -> Markup:
    first = "descending" if larger_first else "ascending"
    return element("th", text, scope="col", title=meaning, data_kind=kind, data_first=first)


def _legend(comparison: Comparison, columns: list[Column]) -> Markup:
    meanings = [(column.heading, column.meaning) for column in columns]
    terms = (joined(element("dt", heading), element("dd", meaning, ".")) for heading, meaning in meanings)
    gaps = _gaps(comparison, columns)
    return joined(
        element(
            "p",
            "Means over the seeds, ± their standard error (of a single seed, the Monte Carlo standard error); below, "
            f"the range over the seeds. {DASH} is a figure that cannot be had, for the reason in its title and below.",
            class_="note",
        ),
        element("details", element("summary", "What the columns mean"), element("dl", *terms)),
        element("details", element("summary", "Why figures are missing"), element("ul", *gaps)) if gaps else None,
    )


def _gaps(comparison: Comparison, columns: list[Column]) -> list[Markup]:
    """The reason for every gap in the table, told once for all figures that share it."""
    shared: dict[tuple[str, str], list[str]] = {}
    for method in filter(comparison.finished, comparison.methods):
        for column in columns:
            if comparison.figure(method, column.figure) is None:
                reason = missing_reason(comparison, method, column.figure)
                shared.setdefault((method, reason), []).append(column.heading)
    return [
        element("li", element("strong", method), f", {', '.join(headings)}: {reason.rstrip('.')}.")
        for (method, reason), headings in shared.items()
    ]
