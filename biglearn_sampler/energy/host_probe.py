"""A look at a host function beyond what every energy is asked: is it one function, and is its gradient its own?"""

from __future__ import annotations

import numpy as np
from jaxtyping import Array, Float

from biglearn_sampler.energy.host_target import HostTarget
from biglearn_sampler.errors import TargetError

AGAIN = 5
"""Points that are asked for a second time, in another batch, with differences for their gradient."""

MOST_WRONG = 0.1
"""Share of its length by which a gradient may differ from differences at half of the points: kinks are allowed."""

FEW_LEVELS = 2
"""Values at points without slope in an energy that is flat here and there; more belong to one that is made of steps."""

WIDER = 0.25
"""Exponent of the precision in the length of these differences: far more than where they stand for a gradient."""


def host_probe_evaluations(target: HostTarget) -> int:
    """What this look costs."""
    return AGAIN * (2 * target.dim + 1)


def probe_host(
    target: HostTarget,
    points: Float[Array, "count dim"],
    values: Float[np.ndarray, " count"],
    gradients: Float[np.ndarray, "count dim"],
) -> None:
    """See that a host function is pure, and that its gradient, given or not, is that of wide differences.

    Arguments:
        target: to look at.
        points, values, gradients: as the target told them in one batch.

    Raises:
        TargetError: a point has another density in another batch, the energy is made of steps, a gradient that was
            given is wrong, or an energy without one is too rough for differences to stand for it.
    """
    some, known = np.asarray(points, float)[:AGAIN], values[:AGAIN]
    alone = target.host.value(some)
    same = np.isclose(alone, known, rtol=1e-4, atol=1e-4) | ~(np.isfinite(alone) & np.isfinite(known))
    if not same.all():
        first = int(np.argmin(same))
        raise TargetError(
            f"the log density at {np.round(some[first], 4).tolist()} is {known[first]:.6g} among {len(values)} points "
            f"and {alone[first]:.6g} among {len(some)}; expected one number for a point, whenever it is asked for and "
            "whatever stands beside it. Look for sums or means over the first axis, and for random numbers"
        )
    flat = np.isfinite(values) & ~gradients.any(1)
    if flat.sum() > 0.5 * np.isfinite(values).sum() and len(np.unique(values[flat])) > FEW_LEVELS:
        raise TargetError(
            f"the gradient of the log density is zero at {flat.sum()} of {len(values)} points, while its values "
            "differ; expected a smooth function. Look for rounding, counts, integers and comparisons"
        )
    expected = target.host.differences(some, alone, WIDER) * target.host.units
    got = gradients[:AGAIN] * target.host.units
    usable = np.isfinite(known) & np.isfinite(expected).all(1) & np.isfinite(got).all(1)
    size = np.linalg.norm(expected, axis=1) + np.linalg.norm(got, axis=1)
    wrong = np.linalg.norm(got - expected, axis=1) / np.where(size > 0, size, 1.0)
    if usable.any() and np.median(wrong[usable]) > MOST_WRONG:
        worst = int(np.argmax(np.where(usable, wrong, -1.0)))
        along = int(np.argmax(np.abs(got - expected)[worst]))
        raise TargetError(_disagreement(target, along, gradients[worst], expected[worst] / target.host.units))


def _disagreement(
    target: HostTarget, along: int, got: Float[np.ndarray, " dim"], expected: Float[np.ndarray, " dim"]
) -> str:
    if target.host.has_gradient:
        return (
            f"the gradient along coordinate {along} is {got[along]:.6g}, and differences of the log density give "
            f"{expected[along]:.6g}; expected the gradient of the log density: check its sign and the order of its "
            "columns, or leave it out"
        )
    return (
        f"the log density is too rough to be differentiated by differences: along coordinate {along} short ones give "
        f"{got[along]:.6g} and longer ones {expected[along]:.6g}. Give a gradient, compute the log density in double "
        "precision, declare a scale that is not so wide, or write it with jax"
    )
