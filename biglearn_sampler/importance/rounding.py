"""Where the digits of log densities end."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float


def rounding_of(log_densities: Float[np.ndarray, " count"]) -> float:
    """By how much log densities that a device computed may be off together.

    The distance of neighbouring numbers at their median size, in the precision of the device; what is computed from
    them on the host keeps it. 0 where none is finite.
    """
    finite = np.abs(log_densities[np.isfinite(log_densities)])
    return float(np.spacing(np.asarray(np.median(finite), jnp.result_type(float)))) if len(finite) else 0.0
