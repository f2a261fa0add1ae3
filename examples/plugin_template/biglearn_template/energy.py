"""An energy: two wells with a barrier between them."""

from typing import Annotated

import jax.numpy as jnp
from jaxtyping import Array, Float

import biglearn_sampler as bl


# The signature is what users see, in `biglearn show target my_energy` and in their settings.
def my_energy(
    distance: Annotated[float, "distance of each well from the origin, above 0"] = 2.0,
    barrier: Annotated[float, "height of the barrier between the wells, above 0"] = 4.0,
) -> bl.AbstractTarget:
    """`log_density(x) = -barrier ((x_1 / distance)^2 - 1)^2 - x_2^2 / 2`."""
    # The user reads a ValueError with the name of the entry in front.
    if distance <= 0 or barrier <= 0:
        raise ValueError(f"distance and barrier must be above 0, got {distance} and {barrier}")

    def log_density(point: Float[Array, "2"]) -> Float[Array, ""]:
        along, across = point
        return -barrier * ((along / distance) ** 2 - 1.0) ** 2 - across**2 / 2.0

    # `scale` says how far from the centre to look. What is known goes into `facts`: metrics look there,
    # training does not. All of it can be left out.
    return bl.target(log_density, dim=2, scale=distance + 2.0, facts=_facts(distance))


def _facts(distance: float) -> bl.Facts:
    def well_of(point: Float[Array, "2"]) -> Float[Array, "2"]:
        return jnp.where(point[0] < 0.0, jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0]))

    return bl.Facts(
        modes=jnp.array([[-distance, 0.0], [distance, 0.0]]),
        mode_weights=jnp.array([0.5, 0.5]),
        responsibilities=well_of,
    )
