"""Numbers that a published benchmark drew from a seed: kept as files, so that no version of a library moves them."""

from __future__ import annotations

from importlib import resources

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

PINNED_DIMS = (2, 50)
"""The dimensions whose tables of `mog40` and `mos10` are files."""


def table(name: str) -> Float[np.ndarray, "rows columns"]:
    """The numbers of `data/<name>.csv`, in single precision, as they were drawn."""
    with (resources.files("biglearn_targets") / "data" / f"{name}.csv").open(encoding="utf-8") as lines:
        # Nine digits tell numbers in single precision apart; they are meant, not the decimals.
        return np.loadtxt(lines, dtype=np.float32, delimiter=",", ndmin=2)


def uniform_of_old_jax(count: int, dim: int, half_width: float) -> Float[np.ndarray, "count dim"]:
    """`jax.random.uniform(PRNGKey(0), (count, dim), minval=-half_width, maxval=half_width)` as before JAX 0.5.

    Newer versions draw other numbers from the same seed unless they are told not to; double precision would draw
    others again.

    Raises:
        ValueError: this version of JAX cannot be told any more.
    """
    partitionable = getattr(jax, "threefry_partitionable", None)
    if partitionable is None:
        known = " and ".join(map(str, PINNED_DIMS))
        raise ValueError(
            f"`dim` must be {known}, got {dim}: of other dimensions no table is kept, and JAX {jax.__version__} has no "
            "`jax.threefry_partitionable`, which draws them as published"
        )
    with partitionable(False):
        bits = jax.random.bits(jax.random.key(0, impl="threefry2x32"), (count, dim), jnp.uint32)
    mantissa = (np.asarray(bits) >> 9) | np.uint32(0x3F800000)
    unit = mantissa.view(np.float32) - np.float32(1)
    # JAX multiplies and adds with one rounding where the processor can and with two where it cannot; those who drew the
    # tables had one. Double precision holds the product and the sum of these numbers exactly: one rounding everywhere.
    return (unit.astype(np.float64) * (2 * half_width) - half_width).astype(np.float32)
