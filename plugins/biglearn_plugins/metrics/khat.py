"""k-hat: whether the importance weights of a sampler have a tail that estimates survive."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Float, Key

from biglearn_plugins.metrics.log_weights import log_weights
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import AbstractMetric, Draws, Measured
from biglearn_sampler.importance import pareto_smooth, resolution_of

# Below, a fifth of the draws is fewer than the five that a tail needs.
FEWEST_DRAWS = 25
# Vehtari et al. (2024): above, more draws are needed than is practical.
RELIABLE = 0.7

CONSTANT = "the largest weights are equal to rounding; k-hat has no meaning there"


@dataclass(frozen=True)
class Khat(AbstractMetric):
    """Figure `khat`, the Pareto shape of the tail of the importance weights.

    Below 0.7 importance-weighted estimates can be relied on, as far as the draws reach: k-hat cannot see a
    mode in which there is no draw. Standard error: that of the shape of a Pareto law fitted to the `M` largest
    weights by maximum likelihood, `(1 + k) / sqrt(M)` with `M = min(n / 5, 3 sqrt(n))` (Smith 1987).
    """

    def compute(self, draws: Draws, target: AbstractTarget, key: Key[Array, ""]) -> dict[str, Measured]:
        weights = log_weights(draws)
        if isinstance(weights, str):
            return {"khat": Measured.missing(weights)}
        return {"khat": _khat(weights, resolution_of(draws.log_target))}


def tail_warning(draws: Draws) -> str | None:
    """A sentence on weights whose tail is too heavy for estimates from them; `None` if it is not.

    Of draws that others with heavy tails defend the weights of all: what is left is seldom a tail.
    """
    weighted = draws.weighted
    weights = log_weights(weighted)
    if isinstance(weights, str):
        return None
    resolution = resolution_of(weighted.log_target)
    if draws.defended is None:
        return heavy_tail(weights, resolution)
    fault = _fault(weights, resolution)
    return fault and f"also with draws of heavy tails {fault}: the error may be larger than it says"


def heavy_tail(weights: Float[np.ndarray, " count"], resolution: float) -> str | None:
    """The same of any log weights with rounding errors of that size."""
    fault = _fault(weights, resolution)
    return fault and f"{fault}: neither the value nor its error can be relied on"


def _fault(weights: Float[np.ndarray, " count"], resolution: float) -> str | None:
    """What is wrong with the tail of log weights; `None` if nothing is."""
    found = _khat(weights, resolution)
    if found.value is None:
        return None if found.reason == CONSTANT else found.reason
    return None if found.value <= RELIABLE else f"k-hat is {found.value:.2f}, above {RELIABLE}"


def _khat(weights: Float[np.ndarray, " count"], resolution: float) -> Measured:
    positive = int(np.count_nonzero(np.isfinite(weights)))
    if positive < FEWEST_DRAWS:
        return Measured.missing(f"k-hat needs at least {FEWEST_DRAWS} draws with positive weight, got {positive}")
    _, shape = pareto_smooth(weights, resolution)
    if shape is None:
        return Measured.missing(CONSTANT)
    if not math.isfinite(shape):
        return Measured.missing("too few weights differ in the tail, so that no law can be fitted to it")
    tail = min(len(weights) / 5, 3 * math.sqrt(len(weights)))
    error = max(0.0, 1.0 + shape) / math.sqrt(tail)
    return Measured(shape, error, None if shape <= RELIABLE else f"above {RELIABLE}: weights are unreliable")


def khat() -> Khat:
    """The metric; it has no parameters."""
    return Khat()


ENTRY = Entry(
    name="khat",
    build=khat,
    summary="Pareto shape of the tail of the importance weights; below 0.7 they can be relied on",
    reference="Vehtari, Simpson, Gelman, Yao & Gabry, JMLR 25 (2024)",
)
