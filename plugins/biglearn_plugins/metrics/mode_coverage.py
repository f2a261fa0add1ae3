"""Which modes a method found, and whether it gives them the right mass."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float, Key

from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import AbstractMetric, Draws, Measured
from biglearn_sampler.evaluation.importance import effective_count

FIGURES = ("modes_covered", "modes_total", "mode_mass_tv", "mode_mass_tv_floor")
# Points whose responsibilities are computed at once.
BATCH = 1024
# With as many expected draws, exact draws leave a mode below a tenth of its mass with probability below 1e-4.
EXPECTED_DRAWS = 10


@dataclass(frozen=True)
class ModeCoverage(AbstractMetric):
    """Figures `modes_covered`, `modes_total`, `mode_mass_tv` and `mode_mass_tv_floor`.

    The mass that a method gives mode `k` is `f_k`, the mean over its draws, by its own weights if it has any and
    never by importance weights, of the probability that a draw belongs to the mode (`facts.responsibilities`); the
    true mass is `pi_k`.

    - `modes_covered`: modes with `f_k >= share * pi_k`.
    - `mode_mass_tv = 1/2 sum_k |f_k - pi_k|`, from 0 to 1; standard error by the delta method.
    - `mode_mass_tv_floor = 1/2 sum_k sqrt(2 pi_k (1 - pi_k) / (pi n))`: what exact draws that each belong to
      one mode reach on average. For chains `n` is the effective count of the distance, for weights `1 / sum_i w_i^2`.

    Arguments:
        share: of its true mass that a covered mode holds at least, above 0 and at most 1.
    """

    share: float = 0.1

    def compute(self, draws: Draws, target: AbstractTarget, key: Key[Array, ""]) -> dict[str, Measured]:
        facts = target.facts
        if facts.responsibilities is None or facts.mode_weights is None:
            return dict.fromkeys(FIGURES, Measured.missing("the modes of the target are not known"))
        belongs = _responsibilities(facts.responsibilities, draws.points)
        true_mass = np.asarray(facts.mode_weights, float)
        mass = draws.shares @ belongs
        signs = np.where(mass >= true_mass, 0.5, -0.5)
        count, error = _count_and_error(belongs @ signs, draws)
        covered = int(np.count_nonzero(mass >= self.share * true_mass))
        return {
            "modes_covered": Measured(float(covered), reason=_too_few(true_mass, draws.count)),
            "modes_total": Measured(float(len(true_mass))),
            "mode_mass_tv": Measured(float(0.5 * np.abs(mass - true_mass).sum()), error),
            "mode_mass_tv_floor": Measured(_floor(true_mass, count)),
        }


def _responsibilities(
    function: Callable[[Float[Array, " dim"]], Float[Array, " modes"]], points: np.ndarray
) -> Float[np.ndarray, "count modes"]:
    """The probability of every mode at every point; zero where the point is too far from all for float32."""
    found = _on_points(Partial(function), jnp.asarray(points, float))
    return np.nan_to_num(np.asarray(found, float))


@jax.jit
def _on_points(function: Partial, points: Float[Array, "count dim"]) -> Float[Array, "count modes"]:
    return jax.lax.map(function, points, batch_size=BATCH)


def _count_and_error(terms: Float[np.ndarray, " count"], draws: Draws) -> tuple[float, float]:
    """How many independent draws the terms of a mean are worth, and the standard error of the mean."""
    shares = draws.shares
    if draws.chains is not None:
        count = effective_count(terms.reshape(draws.chains, -1))
        return count, float(terms.std(ddof=1)) / math.sqrt(count)
    count = float(1.0 / (shares**2).sum())
    return count, math.sqrt(float(shares**2 @ (terms - shares @ terms) ** 2) * count / max(count - 1.0, 1.0))


def _floor(true_mass: Float[np.ndarray, " modes"], count: float) -> float:
    return float(0.5 * np.sqrt(2.0 * true_mass * (1.0 - true_mass) / (math.pi * count)).sum())


def _too_few(true_mass: Float[np.ndarray, " modes"], count: int) -> str | None:
    expected = count * float(true_mass.min())
    if expected >= EXPECTED_DRAWS:
        return None
    return f"the lightest mode expects {expected:.2g} of {count} draws; exact draws may miss it by chance"


def mode_coverage(
    share: Annotated[float, "of its true mass that a covered mode holds at least, in (0, 1]"] = 0.1,
) -> ModeCoverage:
    """The metric.

    Raises:
        ValueError: `share` is out of range.
    """
    if not 0.0 < share <= 1.0:
        raise ValueError(f"share must be above 0 and at most 1, got {share}")
    return ModeCoverage(share)


ENTRY = Entry(
    name="mode_coverage",
    build=mode_coverage,
    summary="modes found, and total variation of the mass of modes; needs a target with known modes",
)
