"""One Gaussian with a full covariance, trained by NumPyro."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import jax.numpy as jnp
from numpyro.infer.autoguide import AutoMultivariateNormal
from numpyro.infer.initialization import init_to_value

from biglearn_plugins.baselines.guides.automatic import AbstractAutomatic, check_training
from biglearn_plugins.baselines.guides.guide import Guided
from biglearn_plugins.baselines.guides.model import SITE, model
from biglearn_sampler.catalogue import Entry


@dataclass(frozen=True)
class MultivariateNormal(AbstractAutomatic):
    """`AutoMultivariateNormal`, which is the start region at first."""

    name: ClassVar[str] = "multivariate_normal_guide"

    def automatic(self, dim: int) -> AutoMultivariateNormal:
        centre = init_to_value(values={SITE: jnp.zeros(dim)})
        return AutoMultivariateNormal(partial(model, dim=dim), init_loc_fn=centre, init_scale=1.0)

    def check_dimension(self, dim: int) -> None:
        """Any will do."""


def multivariate_normal_guide(
    samples: Annotated[int, "of the ELBO in every step, at least 1"] = 64,
    learning_rate: Annotated[float, "of the first step of Adam, in deviations of the start region, above 0"] = 0.03,
    steps: Annotated[int, "without a budget, at least 1"] = 5000,
    draws: Annotated[int, "from the trained guide, at least 2"] = 2000,
) -> Guided:
    """The baseline.

    Raises:
        ValueError: a parameter is out of range.
    """
    check_training(samples, learning_rate, steps, draws)
    return Guided(MultivariateNormal(samples, learning_rate), steps, draws)


ENTRY = Entry(
    name="multivariate_normal_guide",
    build=multivariate_normal_guide,
    summary="variational inference with one Gaussian of full covariance (NumPyro's AutoMultivariateNormal)",
    reference="Kucukelbir, Tran, Ranganath, Gelman & Blei, JMLR 18 (2017); Phan, Pradhan & Jankowiak, "
    "arXiv:1912.11554 (2019)",
)
