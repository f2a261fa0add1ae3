"""The figures of a run as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SMALL = 1e-3
"""Below it a number is shown by its own digits: four behind the point would be zeros, as of a target in small units."""


def numeral(value: Any) -> str:
    """A number with the digits that matter; `-` for none."""
    if value is None:
        return "-"
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    if abs(value) < SMALL:
        return f"{value:.4g}"
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:,.1f}"


def numeral_with_error(figures: Mapping[str, Any], name: str) -> str:
    """A figure, and its standard error if it has one."""
    value, error = figures.get(name), figures.get("standard_errors", {}).get(name)
    return numeral(value) + (f" ± {error:.2g}" if error is not None and value is not None else "")
