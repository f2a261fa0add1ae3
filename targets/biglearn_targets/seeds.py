"""Seeds: germination on 21 plates, a logistic regression with a random effect of every plate, in its centred form."""

from __future__ import annotations

import numpy as np
import numpyro
import numpyro.distributions as dist
from jaxtyping import Array, Float, Int

from biglearn_sampler.bridges import NumpyroTarget, from_numpyro
from biglearn_sampler.catalogue import Entry

GERMINATED = (10, 23, 23, 26, 17, 5, 53, 55, 32, 46, 10, 8, 10, 8, 23, 0, 3, 22, 15, 32, 3)
SOWN = (39, 62, 81, 51, 39, 6, 74, 72, 51, 79, 13, 16, 30, 28, 45, 4, 12, 41, 30, 51, 7)
OTHER_SEED = (0,) * 11 + (1,) * 10
"""Whether the plate has the second type of seed."""

OTHER_EXTRACT = (0,) * 5 + (1,) * 6 + (0,) * 5 + (1,) * 5
"""Whether the plate has the second root extract."""

PRIOR_DEVIATION = 10.0
"""Of the four coefficients."""

GAMMA = 0.01
"""Shape and rate of the prior of the precision."""


def seeds() -> NumpyroTarget:
    """The posterior of four coefficients, 21 effects and their precision: 26 coordinates.

    `tau ~ Gamma(0.01, 0.01)`, `a0, a1, a2, a12 ~ N(0, 10^2)`, `b_i ~ N(0, 1 / tau)` and `r_i ~ Binomial(n_i, p_i)` with
    `logit p_i = a0 + a1 x1_i + a2 x2_i + a12 x1_i x2_i + b_i`. Coordinates: `a0`, `a1`, `a12`, `a2`, `b`, `log tau`;
    the width of `b` changes with `tau` as that of a funnel. `Z` is the evidence.

    Declared: centre 0; scale 10 of the coefficients, as in their prior, 1 of the effects and 3 of `log tau`, whose
    prior is so wide that it declares nothing.
    """
    plates = {"germinated": GERMINATED, "sown": SOWN, "other_seed": OTHER_SEED, "other_extract": OTHER_EXTRACT}
    scale = np.array([*[PRIOR_DEVIATION] * 4, *[1.0] * len(SOWN), 3.0])
    return from_numpyro(_model, centre=0.0, scale=scale, **{name: np.array(values) for name, values in plates.items()})


def _model(
    germinated: Int[Array, " plates"],
    sown: Int[Array, " plates"],
    other_seed: Int[Array, " plates"],
    other_extract: Int[Array, " plates"],
) -> None:
    tau = numpyro.sample("tau", dist.Gamma(GAMMA, GAMMA))
    a0, a1, a2, a12 = (numpyro.sample(name, dist.Normal(0.0, PRIOR_DEVIATION)) for name in ("a0", "a1", "a2", "a12"))
    with numpyro.plate("plates", len(SOWN)):
        b: Float[Array, " plates"] = numpyro.sample("b", dist.Normal(0.0, tau**-0.5))  # pyright: ignore
        logits = a0 + a1 * other_seed + a2 * other_extract + a12 * other_seed * other_extract + b
        numpyro.sample("r", dist.Binomial(sown, logits=logits), obs=germinated)


ENTRIES = (
    Entry(
        name="seeds",
        build=seeds,
        summary="germination of seeds on 21 plates, with a random effect of every plate",
        reference="Crowder (1978): Beta-binomial Anova for proportions, Applied Statistics 27; data and model as in "
        "the BUGS examples, priors as in Blessing et al. (2024): Beyond ELBOs, ICML",
    ),
)
