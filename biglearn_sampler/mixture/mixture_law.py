"""A sampler as a NumPyro distribution."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float, Key


class MixtureLaw(dist.Distribution):
    """The law of one point of a sampler that is no plain mixture, for use in NumPyro models.

    Arguments:
        mixture: has `dim`, `sample(key, count)` and a normalised `log_density` of a batch of points.
    """

    support: Any = dist.constraints.real_vector  # pyright: ignore[reportIncompatibleMethodOverride]
    pytree_data_fields = ("mixture",)

    def __init__(self, mixture: Any, *, validate_args: bool | None = None) -> None:
        self.mixture = mixture
        super().__init__(event_shape=(mixture.dim,), validate_args=validate_args)

    def sample(self, key: Key[Array, ""] | None, sample_shape: tuple[int, ...] = ()) -> Float[Array, "*shape dim"]:
        """Independent draws."""
        count = 1
        for size in sample_shape:
            count *= size
        return self.mixture.sample(key, count).reshape(*sample_shape, self.mixture.dim)

    def log_prob(self, value: Any, intermediates: list[Any] | None = None) -> Any:
        """`log p(value)`, normalised."""
        return self.mixture.log_density(jnp.asarray(value))
