"""Products of matrices in all the digits of their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def full_precision() -> Iterator[None]:
    """Where products of matrices keep all the digits of their numbers, on every device; also a decorator.

    Left to itself JAX multiplies matrices of single precision in three digits on GPUs (TF32) and on TPUs (bfloat16),
    the user's energy among them: weights of importance, which are differences of log densities, would be noise. What
    the user chose by `jax_default_matmul_precision` stays. CPUs always keep all digits.
    """
    # The command line answers without jax.
    import jax

    with jax.default_matmul_precision(jax.default_matmul_precision.value or "highest"):
        yield
