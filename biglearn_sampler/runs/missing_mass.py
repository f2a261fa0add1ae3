"""What a verdict makes of the figures: mass that was not drawn is in no error of draws."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

FIGURES = ("log_z", "log_z_error")


def in_view_of_what_is_missing(metrics: Mapping[str, Any], missing: float | None) -> dict[str, Any]:
    """Figures whose errors of `log Z` have the mass that a verdict found to be missing: `-log(1 - m)` comes to them.

    The draws of a sampler do not know of it: where they met none of a mode with a three-hundredth of the mass, `log Z`
    was too low by ten times the error of the weights.

    Arguments:
        metrics: with `standard_errors` and `reasons`.
        missing: share of the mass; `None` where nothing is known of it.
    """
    errors, reasons = dict(metrics["standard_errors"]), dict(metrics["reasons"])
    if not missing or not missing < 1.0:
        return dict(metrics)
    for name in FIGURES:
        if name in errors:
            told = f"the error has {missing:.2%} of the mass, which the verdict found to be missing"
            reasons[name] = f"{reasons[name]}; {told}" if name in reasons else told
            errors[name] = math.hypot(errors[name], -math.log1p(-missing))
    return {**metrics, "standard_errors": errors, "reasons": reasons}
