"""The log of a normalising constant, from draws at all rungs of a ladder of temperatures."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from biglearn_sampler.evaluation import Measured
from biglearn_sampler.evaluation.importance import effective_count


def log_ratio(values: Float[np.ndarray, "chains draws rungs"], ladder: Float[np.ndarray, " rungs"]) -> Measured:
    """`log Z(1) - log Z(0)` of the densities `N(x) exp(b V(x))`, with its standard error.

    Every stone between neighbours `b < c` of the ladder is a bridge, which uses the draws of both sides,

        Z(c) / Z(b) = E_b[exp((c - b) V / 2)] / E_c[exp(-(c - b) V / 2)].

    The error is that of the sum of all linearised terms, draw by draw, so that it knows of what the rungs have in
    common; how many independent draws the chains are worth for it comes from the same series.

    Arguments:
        values: `V` at the draws of every rung; `-inf` where the density is zero.
        ladder: from 0 to 1.

    Reference: Xie, Lewis, Fan, Kuo & Chen, Systematic Biology 60 (2011); Meng & Wong, Statistica Sinica 6 (1996),
    the geometric bridge.
    """
    halves = np.diff(ladder) / 2.0
    up, down = halves * values[..., :-1], -halves * values[..., 1:]
    if not (np.isfinite(up.max(axis=(0, 1))).all() and np.isfinite(down).all()):
        return Measured.missing("neighbouring temperatures have nothing in common; more rungs may help")
    (log_up, relative_up), (log_down, relative_down) = _log_means(up), _log_means(down)
    ratio = float((log_up - log_down).sum())
    terms = (relative_up - relative_down).sum(axis=-1)
    return Measured(ratio, float(terms.std(ddof=1)) / math.sqrt(effective_count(terms)))


def _log_means(
    exponents: Float[np.ndarray, "chains draws stones"],
) -> tuple[Float[np.ndarray, " stones"], Float[np.ndarray, "chains draws stones"]]:
    """The log of the mean of exponentials, and each of these in units of the mean."""
    largest = exponents.max(axis=(0, 1))
    relative = np.exp(exponents - largest)
    mean = relative.mean(axis=(0, 1))
    return largest + np.log(mean), relative / mean
