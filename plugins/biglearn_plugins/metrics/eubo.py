"""The evidence upper bound of a sampler, and the forward Kullback-Leibler divergence that it leaves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from jaxtyping import Array, Key

from biglearn_plugins.metrics.forward_weights import check_exact, forward_weights
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.evaluation import AbstractMetric, Draws, Measured


@dataclass(frozen=True)
class Eubo(AbstractMetric):
    """Figures `eubo` and `kl_forward`, from exact draws.

    `eubo = E_q[log q(x) - log p(x)] >= log Z` over exact draws `x ~ q / Z`, where `q` is unnormalised, and `kl_forward
    = eubo - log Z = KL(q / Z || p)` where `log Z` is known. Standard error: that of a mean of independent draws, and
    the rounding of log densities. A mode that the sampler misses costs its mass times the log density that the sampler
    lacks there, without a limit: the sampler's own draws need not come near it.

    Arguments:
        exact: number of exact draws, at least 25.
    """

    exact: int = 4000

    def compute(self, draws: Draws, target: AbstractTarget, key: Key[Array, ""]) -> dict[str, Measured]:
        weights = forward_weights(draws, target, key, self.exact)
        if isinstance(weights, str):
            return dict.fromkeys(("eubo", "kl_forward"), Measured.missing(weights))
        if weights.beyond:
            return dict.fromkeys(
                ("eubo", "kl_forward"), Measured.missing(f"{weights.beyond}, so that the bound is inf")
            )
        bound = float(weights.log_weights.mean())
        error = float(weights.log_weights.std(ddof=1)) / math.sqrt(self.exact)
        error = math.hypot(error, weights.rounding)
        log_z = target.facts.log_z
        return {
            "eubo": Measured(bound, error),
            "kl_forward": Measured.missing("log Z of the target is not known")
            if log_z is None
            else Measured(bound - log_z, error),
        }


def eubo(exact: Annotated[int, "number of exact draws, at least 25"] = 4000) -> Eubo:
    """The metric.

    Raises:
        ValueError: too few exact draws.
    """
    check_exact(exact)
    return Eubo(exact)


ENTRY = Entry(
    name="eubo",
    build=eubo,
    summary="evidence upper bound over exact draws, and the forward KL divergence; sees missed modes",
    reference="Blessing, Jia, Esslinger, Vargas & Neumann, Beyond ELBOs, ICML (2024)",
)
