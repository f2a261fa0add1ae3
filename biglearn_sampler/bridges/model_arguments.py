"""The arguments of a model, with its data apart from everything else."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from biglearn_sampler.errors import TargetError


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ModelArguments:
    """What a model is called with. Arrays are leaves of a pytree, so compiled code takes them as inputs.

    Arguments:
        arrays: every NumPy or JAX array among the arguments, however deep.
        others: everything else, such as sizes and names, with `None` where an array belongs.
        structure: how both fit together.
    """

    arrays: tuple[Array, ...]
    others: tuple[Any, ...] = field(metadata={"static": True})
    structure: Any = field(metadata={"static": True})

    @classmethod
    def of(cls, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> ModelArguments:
        """The arguments of one call.

        Raises:
            TargetError: an argument is neither an array nor hashable, such as a data frame.
        """
        leaves, structure = jax.tree.flatten((args, dict(kwargs)))
        others = tuple(None if _is_array(leaf) else leaf for leaf in leaves)
        for other in others:
            try:
                hash(other)
            except TypeError:
                raise TargetError(
                    "a model takes arrays, numbers, texts and containers of those, got "
                    f"{type(other).__name__}; pass its values as an array"
                ) from None
        return cls(tuple(_on_device(leaf) for leaf in leaves if _is_array(leaf)), others, structure)

    def restored(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """`args` and `kwargs`, as they were given."""
        arrays = iter(self.arrays)
        leaves = [next(arrays) if other is None else other for other in self.others]
        return jax.tree.unflatten(self.structure, leaves)


def with_data_inside(model: Callable[..., Any], arguments: ModelArguments) -> tuple[Callable[..., Any], ModelArguments]:
    """A model that has its data already, as NumPy arrays, and so no argument left.

    For models that look at them while they are compiled: at the number of groups in a column of codes, say.
    """
    args, kwargs = jax.tree.map(
        lambda leaf: np.asarray(leaf) if isinstance(leaf, jax.Array) else leaf, arguments.restored()
    )

    @functools.wraps(model)
    def complete() -> Any:
        return model(*args, **kwargs)

    return complete, ModelArguments.of((), {})


def _on_device(leaf: Any) -> jax.Array:
    """The array as compiled code takes it: in single precision, if nothing else is said.

    Raises:
        TargetError: whole numbers do not fit.
    """
    array = jnp.asarray(leaf)
    if leaf.dtype.kind in "iu" and not np.array_equal(np.asarray(array), np.asarray(leaf)):
        raise TargetError(
            f"an argument of the model has whole numbers beyond {array.dtype}, up to {np.abs(leaf).max()}; pass them "
            "as floats, or let JAX compute with 64 bits (JAX_ENABLE_X64=1)"
        )
    return array


def _is_array(leaf: Any) -> bool:
    """Whether compiled code can take it as an input; arrays of texts or objects can not."""
    return isinstance(leaf, jax.Array) or (isinstance(leaf, np.ndarray) and leaf.dtype.kind in "biuf")
