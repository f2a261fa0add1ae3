"""Evaluated points of an energy that stay in use, each with the density of the law that drew it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from biglearn_sampler.importance.pareto import pareto_smooth


@dataclass(frozen=True, eq=False)
class ReservoirQuality:
    """How far weighted points can be trusted. None of this sees a mode in which there is no point.

    Arguments:
        count: number of points, those of weight zero included.
        effective_size: `(sum_i w_i)^2 / sum_i w_i^2`, from 0 (no weight at all) to `count`.
        khat: of the weights, see `pareto_smooth`; `None` where their tail is constant.
        spread: weighted standard deviation of every coordinate; zero without weights.
    """

    count: int
    effective_size: float
    khat: float | None
    spread: Float[np.ndarray, " dim"]


@dataclass(frozen=True, eq=False)
class Reservoir:
    """The last `capacity` points of an unnormalised density `q`, the oldest first.

    Batch t is drawn from a law `r_t` that may depend on all earlier points. With the weights
    `w_i = q(x_i) / r_t(i)(x_i)`, for any `f`,

        E[mean_i w_i f(x_i)] = integral q(x) f(x) dx,

    exactly, whatever the `r_t` were, as long as they are positive where `q` is: points can be used again and again. A
    batch from a mixture of laws must be weighed by the density of that mixture, so that no weight is larger than that
    of its broadest part.

    Arguments:
        capacity: at least 1.
        points: `x_i`.
        log_target: `log q(x_i)`; what is not finite counts as density zero.
        log_proposal: `log r_t(i)(x_i)`, of the law that drew the batch.
    """

    capacity: int
    points: Float[np.ndarray, "count dim"]
    log_target: Float[np.ndarray, " count"]
    log_proposal: Float[np.ndarray, " count"]

    @classmethod
    def empty(cls, capacity: int, dim: int) -> Reservoir:
        """A reservoir without points."""
        return cls(capacity, np.zeros((0, dim)), np.zeros(0), np.zeros(0))

    def add(
        self,
        points: Float[np.ndarray, "batch dim"],
        log_target: Float[np.ndarray, " batch"],
        log_proposal: Float[np.ndarray, " batch"],
    ) -> Reservoir:
        """The reservoir with a further batch; beyond the capacity the oldest points go."""

        def last(old: np.ndarray, new: np.ndarray) -> np.ndarray:
            return np.concatenate([old, np.asarray(new, float)])[-self.capacity :]

        return Reservoir(
            self.capacity,
            last(self.points, points),
            last(self.log_target, log_target),
            last(self.log_proposal, log_proposal),
        )

    @property
    def count(self) -> int:
        """Number of points, those of weight zero included."""
        return len(self.points)

    @property
    def log_weights(self) -> Float[np.ndarray, " count"]:
        """`log w_i = log q(x_i) - log r(x_i)`, `-inf` for density zero."""
        usable = np.isfinite(self.log_target) & np.isfinite(self.log_proposal)
        with np.errstate(invalid="ignore"):
            return np.where(usable, self.log_target - self.log_proposal, -np.inf)

    @property
    def log_mass(self) -> float:
        """`log mean_i w_i`, the estimate of `log Z`; `-inf` without weights."""
        if not self._has_weight:
            return -math.inf
        return float(np.asarray(logsumexp(self.log_weights))) - math.log(self.count)

    def quality(self) -> ReservoirQuality:
        """What the weights say of themselves."""
        if not self._has_weight:
            return ReservoirQuality(self.count, 0.0, math.inf, np.zeros(self.points.shape[1]))
        log_weights = self.log_weights
        weights = np.exp(log_weights - logsumexp(log_weights))
        held = self.points[weights > 0]
        weights = weights[weights > 0]
        spread = np.sqrt(weights @ (held - weights @ held) ** 2)
        _, khat = pareto_smooth(log_weights)
        return ReservoirQuality(self.count, float(1.0 / (weights**2).sum()), khat, spread)

    def resampled(
        self, generator: np.random.Generator, count: int
    ) -> tuple[Float[np.ndarray, "chosen dim"], Float[np.ndarray, " chosen"]]:
        """Fewer points of equal mass, `sum_j m_j f(y_j) ~ integral q(x) f(x) dx`, and `log m_j`.

        `m_j = mean_i w_i / count`, and every point is taken `count wbar_i` times, rounded down or up so that the mean
        is right (systematic resampling): the sum stays unbiased, and is nearly as exact as that of all points. Without
        weights the masses are zero.

        Arguments:
            generator: of the one uniform number that is needed.
            count: how many.
        """
        if not self._has_weight:
            return np.zeros((count, self.points.shape[1])), np.full(count, -np.inf)
        log_weights = self.log_weights
        cumulative = np.cumsum(np.exp(log_weights - log_weights.max()))
        levels = (np.arange(count) + generator.uniform()) / count * cumulative[-1]
        chosen = np.searchsorted(cumulative, levels, side="right")
        # A level at the very end may be rounded up to the sum of all weights.
        chosen = np.minimum(chosen, np.flatnonzero(np.isfinite(log_weights))[-1])
        return self.points[chosen], np.full(count, self.log_mass - math.log(count))

    @property
    def _has_weight(self) -> bool:
        return bool(np.isfinite(self.log_weights).any())
