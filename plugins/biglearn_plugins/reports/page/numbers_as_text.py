"""Numbers as people read them: as many decimals as their error allows, with a true minus sign."""

from __future__ import annotations

import math

MINUS = "\N{MINUS SIGN}"
UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def number(value: float, decimals: int) -> str:
    """A number with so many decimals; `-0.00` is `0.00`."""
    if not math.isfinite(value):
        return str(value)
    text = f"{value:,.{decimals}f}"
    if not text.strip("-0.,"):
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def with_error(value: float, error: float | None, decimals: int, most: int) -> str:
    """`0.012 ± 0.004`: as many decimals as show two digits of the error, and within bounds.

    Arguments:
        value: a mean.
        error: its standard error. One of zero, as of a count that is the same on all seeds, is not shown.
        decimals: where there is no error.
        most: decimals that are shown at most.
    """
    if error is None or error <= 0.0 or not math.isfinite(error):
        return number(value, decimals)
    fitting = min(max(1 - math.floor(math.log10(error)), 0), most)
    return f"{number(value, fitting)} ± {number(error, fitting)}"


def span(least: float, most: float, decimals: int) -> str:
    """A range, or one number where both ends read alike."""
    low, high = number(least, decimals), number(most, decimals)
    return low if low == high else f"{low} to {high}"


def short_count(value: float) -> str:
    """`62 k`, `1.2 M`: for axes and captions."""
    for size, unit in UNITS:
        # What rounds up to the next unit is written in it.
        if value >= 0.9995 * size:
            return f"{value / size:.3g} {unit}"
    return f"{value:,.0f}"


def exact(value: float) -> str:
    """With six significant digits, for titles."""
    return f"{value:.6g}".replace("-", MINUS)


def counted(count: int, noun: str) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
