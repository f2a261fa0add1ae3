"""Things that every kind promises: compared by value, and the same again for the same arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from biglearn_sampler.testing.fault import Fault, called


def check_built_alike(first: Any, second: Any) -> None:
    """Two builds with the same parameters are equal and have the same hash, so that they are compiled once."""
    hashes = [called("hash() of the built object", hash, each) for each in (first, second)]
    if first != second or hashes[0] != hashes[1]:
        raise Fault(
            f"two builds with the same parameters are not equal: {first!r} and {second!r}; expected equal objects "
            "with equal hashes. Make the class a frozen dataclass of plain numbers, texts and tuples"
        )


def expect_same(what: str, first: Any, second: Any, *, tolerance: float = 0.0) -> None:
    """Two results of the same call.

    Arguments:
        what: the subject of the sentence, such as "draw with the same key".
        first, second: two pytrees.
        tolerance: of numbers, relative to their size or to 1; none by default.

    Raises:
        Fault: the results differ.
    """
    leaves, structure = jax.tree.flatten(first)
    others, other_structure = jax.tree.flatten(second)
    if structure != other_structure:
        raise Fault(f"{what} gave results of two forms: {structure} and {other_structure}")
    for mine, theirs in zip(leaves, others, strict=True):
        if not _close(_numbers(mine), _numbers(theirs), tolerance):
            raise Fault(f"{what} gave two results: {_short(mine)} and {_short(theirs)}; expected the same twice")


def expect_compiled_same(
    what: str, function: Callable[..., Any], calls: Sequence[tuple[tuple[Any, ...], Any]], tolerance: float
) -> None:
    """A function gives the same inside compiled code, where every argument is traced, as outside.

    Arguments:
        what: the subject of the sentence.
        function: compiled once for all calls.
        calls: arguments, each with what the function gave for them outside.
        tolerance: of numbers, relative to their size or to 1.

    Raises:
        Fault: it raises inside, or gives something else.
    """
    # A function of its own, since JAX would otherwise remember an earlier trace.
    compiled = jax.jit(lambda *traced: function(*traced))
    inside = f"{what} inside compiled code (write it with jax operations: no `if` on values, no NumPy)"
    for arguments, plain in calls:
        found = called(inside, compiled, *arguments)
        expect_same(f"{what}, once plain and once compiled,", plain, found, tolerance=tolerance)


def _numbers(leaf: Any) -> np.ndarray:
    is_key = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(leaf) if is_key else leaf)


def _close(mine: np.ndarray, theirs: np.ndarray, tolerance: float) -> bool:
    if mine.shape != theirs.shape:
        return False
    if not np.issubdtype(mine.dtype, np.floating):
        return bool((mine == theirs).all())
    return np.allclose(mine, theirs, rtol=tolerance, atol=tolerance, equal_nan=True)


def _short(leaf: Any) -> str:
    return np.array2string(_numbers(leaf), precision=6, threshold=8).replace("\n", "")
