"""A normalising flow, trained by NumPyro."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import jax.numpy as jnp
from numpyro.infer.autoguide import AutoIAFNormal
from numpyro.infer.initialization import init_to_value

from biglearn_plugins.baselines.guides.automatic import AbstractAutomatic, check_training
from biglearn_plugins.baselines.guides.guide import Guided
from biglearn_plugins.baselines.guides.model import SITE, model
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.errors import UserError


@dataclass(frozen=True)
class Flow(AbstractAutomatic):
    """`AutoIAFNormal`, inverse autoregressive layers, near the start region at first.

    Block neural autoregressive flows have no inverse in closed form, so no density at points that they did not draw.

    Arguments:
        layers: of the flow; between two the order of the coordinates is turned round.
        width: of both hidden layers of every network, at least as many as coordinates.
    """

    layers: int
    width: int
    name: ClassVar[str] = "flow_guide"

    def automatic(self, dim: int) -> AutoIAFNormal:
        centre = init_to_value(values={SITE: jnp.zeros(dim)})
        hidden = [max(self.width, dim)] * 2
        return AutoIAFNormal(partial(model, dim=dim), init_loc_fn=centre, num_flows=self.layers, hidden_dims=hidden)

    def check_dimension(self, dim: int) -> None:
        if dim < 2:
            raise UserError(f"{self.name} needs a target of at least 2 dimensions, got {dim}")


def flow_guide(
    layers: Annotated[int, "of the flow, at least 1"] = 3,
    width: Annotated[int, "hidden units of each network, at least 1; never fewer than coordinates"] = 32,
    samples: Annotated[int, "of the ELBO in every step, at least 1"] = 64,
    learning_rate: Annotated[float, "of the first step of Adam, above 0"] = 0.005,
    steps: Annotated[int, "without a budget, at least 1"] = 5000,
    draws: Annotated[int, "from the trained guide, at least 2"] = 2000,
) -> Guided:
    """The baseline.

    Raises:
        ValueError: a parameter is out of range.
    """
    check_training(samples, learning_rate, steps, draws)
    if layers < 1 or width < 1:
        raise ValueError(f"layers and width must be at least 1, got layers={layers}, width={width}")
    return Guided(Flow(samples, learning_rate, layers, width), steps, draws)


ENTRY = Entry(
    name="flow_guide",
    build=flow_guide,
    summary="variational inference with an inverse autoregressive flow (NumPyro's AutoIAFNormal)",
    reference="Kingma, Salimans, Jozefowicz, Chen, Sutskever & Welling, NeurIPS (2016); Phan, Pradhan & Jankowiak, "
    "arXiv:1912.11554 (2019)",
)
