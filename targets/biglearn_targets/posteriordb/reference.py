"""What reference draws say: means and deviations with their Monte Carlo errors."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from biglearn_sampler.energy import ReferenceMoments
from biglearn_sampler.evaluation import Draws
from biglearn_sampler.evaluation.importance import moments


def reference_moments(draws: Mapping[str, Float[np.ndarray, "chains draws"]]) -> dict[str, ReferenceMoments]:
    """The moments of every number that varies, under its name here.

    Arguments:
        draws: by the names of Stan, `beta[1]` or `theta[2,1]`.
    """
    chains, count = next(iter(draws.values())).shape
    behind = Draws(np.zeros((chains * count, 1)), np.zeros(chains * count), chains=chains)
    found = moments({_counted_from_zero(name): values.reshape(-1) for name, values in draws.items()}, behind)
    return {
        name: ReferenceMoments(mean=row["mean"], sd=row["sd"], mean_error=row["mcse"], sd_error=row["sd_mcse"])
        for name, row in found.items()
        if row["mean"] is not None and row["sd"] and row["mcse"] is not None and row["sd_mcse"] is not None
    }


def _counted_from_zero(name: str) -> str:
    return re.sub(r"\d+(?=[,\]])", lambda index: str(int(index[0]) - 1), name)
