"""The mixture while it is trained: double precision on the host, any number of components without compiling anew."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import logsumexp

LOG_TWO_PI = math.log(2.0 * math.pi)

NEGLIGIBLE = 1e-14
"""A share of a point below which it changes no sum in double precision."""


@dataclass(frozen=True, eq=False)
class Components:
    """`q(x) = sum_k w_k N(x; mu_k, L_k L_k^T)`.

    Arguments:
        log_weights: `log w_k`, normalised.
        means: `mu_k`.
        factors: `L_k`, lower-triangular with positive diagonals.
    """

    log_weights: Float[np.ndarray, " components"]
    means: Float[np.ndarray, "components dim"]
    factors: Float[np.ndarray, "components dim dim"]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.means)

    @cached_property
    def inverses(self) -> Float[np.ndarray, "components dim dim"]:
        """`L_k^-1`."""
        return np.linalg.inv(self.factors)

    @property
    def entropies(self) -> Float[np.ndarray, " components"]:
        """Of every component, `log det L_k + D (1 + log 2 pi) / 2`."""
        diagonals = np.diagonal(self.factors, axis1=-2, axis2=-1)
        return np.log(diagonals).sum(-1) + 0.5 * self.means.shape[1] * (1.0 + LOG_TWO_PI)

    def log_densities(self, points: Float[np.ndarray, "count dim"]) -> Float[np.ndarray, "components count"]:
        """`log N_k(x_i)`."""
        found = np.empty((self.count, len(points)))
        for number, (mean, inverse) in enumerate(zip(self.means, self.inverses, strict=True)):
            standard = (points - mean) @ inverse.T
            found[number] = -0.5 * np.einsum("ni,ni->n", standard, standard)
        log_determinants = np.log(np.diagonal(self.inverses, axis1=-2, axis2=-1)).sum(-1)
        return found + (log_determinants - 0.5 * self.means.shape[1] * LOG_TWO_PI)[:, None]

    def log_density(self, densities: Float[np.ndarray, "components count"]) -> Float[np.ndarray, " count"]:
        """`log q(x_i)` from the `log N_k(x_i)`."""
        return np.asarray(logsumexp(self.log_weights[:, None] + densities, axis=0))

    def score(
        self, points: Float[np.ndarray, "count dim"], densities: Float[np.ndarray, "components count"]
    ) -> Float[np.ndarray, "count dim"]:
        """`grad log q(x_i) = sum_k r_ik S_k^-1 (mu_k - x_i)`, from the `log N_k(x_i)` too."""
        joint = self.log_weights[:, None] + densities
        responsibilities = np.exp(joint - logsumexp(joint, axis=0))
        found = np.zeros_like(points)
        for mean, inverse, shares in zip(self.means, self.inverses, responsibilities, strict=True):
            near = np.flatnonzero(shares > NEGLIGIBLE)
            found[near] -= shares[near, None] * ((points[near] - mean) @ (inverse.T @ inverse))
        return found

    def draw(
        self, random: np.random.Generator, counts: Int[np.ndarray, " components"]
    ) -> Float[np.ndarray, "count dim"]:
        """So many points from every component, component by component."""
        noise = random.standard_normal((counts.sum(), self.means.shape[1]))
        bounds = np.cumsum(counts)[:-1]
        drawn = [
            mean + part @ factor.T
            for mean, factor, part in zip(self.means, self.factors, np.split(noise, bounds), strict=True)
        ]
        return np.concatenate(drawn)

    def sample(self, random: np.random.Generator, count: int) -> Float[np.ndarray, "count dim"]:
        """Independent draws from the mixture."""
        counts = random.multinomial(count, np.exp(self.log_weights - logsumexp(self.log_weights)))
        return self.draw(random, counts)

    def weighing(self, log_weights: Float[np.ndarray, " components"]) -> Components:
        """With other weights, normalised here."""
        return replace(self, log_weights=log_weights - logsumexp(log_weights))

    def only(self, kept: Bool[np.ndarray, " components"]) -> Components:
        """Those that are kept."""
        return Components(self.log_weights[kept], self.means[kept], self.factors[kept]).weighing(self.log_weights[kept])

    def joined_by(
        self, log_weight: float, mean: Float[np.ndarray, " dim"], factor: Float[np.ndarray, "dim dim"]
    ) -> Components:
        """With one more component."""
        means, factors = np.vstack([self.means, mean]), np.concatenate([self.factors, factor[None]])
        log_weights = np.append(self.log_weights, log_weight)
        return Components(log_weights, means, factors).weighing(log_weights)
