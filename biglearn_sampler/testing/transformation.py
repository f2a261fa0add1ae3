"""Checks of a transformation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from biglearn_sampler.tasks import AbstractTransformation, OrthogonalMap
from biglearn_sampler.testing.fault import Fault, NotChecked, called
from biglearn_sampler.testing.repeat import expect_compiled_same, expect_same
from biglearn_sampler.testing.shared import shared

KEY = 30
KEYS = 32
DIMENSIONS = (1, 2, 3, 4, 5, 6)
"""That are tried: a transformation may be one of a plane, or of particles in space."""

LOOKED_AT = (2, 3)
"""Beside the smallest and the largest: special code is for these."""

PROGRESS = (0.0, 0.5, 1.0)
ORTHOGONAL = 1e-4
"""Rounding of a product of a few maps in single precision."""


def check_form(transformation: AbstractTransformation) -> None:
    """A map has a matrix of shape `(dim, dim)` and one noise; a dimension that cannot be had is a ValueError."""
    for dim in dimensions_of(transformation):
        drawn = _form(transformation, dim)
        shapes = (drawn.matrix.shape, drawn.noise.shape)
        if shapes != ((dim, dim), ()):
            raise Fault(f"a map in dimension {dim} must have shapes {((dim, dim), ())}, got {shapes}")


def check_repeatable(transformation: AbstractTransformation) -> None:
    """The same key gives the same map."""
    draw, arguments = in_largest_dimension(transformation.draw, transformation)
    expect_same("a draw with the same key", *(called("a draw", draw, *arguments) for _ in range(2)))


def check_compiled(transformation: AbstractTransformation) -> None:
    """A map is the same inside compiled code, where key and progress are traced."""
    draw, arguments = in_largest_dimension(transformation.draw, transformation)
    expect_compiled_same("a draw", draw, [(arguments, called("a draw", draw, *arguments))], ORTHOGONAL)


def check_orthogonal(transformation: AbstractTransformation) -> None:
    """Every matrix is orthogonal: `A A^T = I`."""
    for dim, drawn in _many(transformation).items():
        matrices = np.asarray(drawn.matrix)
        errors = np.abs(matrices @ matrices.swapaxes(1, 2) - np.eye(dim)).max(axis=(1, 2))
        wrong = ~(errors <= ORTHOGONAL)
        if wrong.any():
            shown = np.array2string(matrices[wrong][0], precision=4, threshold=30).replace("\n", "")
            raise Fault(
                f"the matrix must be orthogonal, A A^T = I; got one in dimension {dim} that is off by "
                f"{errors[wrong][0]:.3g}: {shown}"
            )


def check_noise(transformation: AbstractTransformation) -> None:
    """Noise is finite and not negative, and `noisy` says truthfully whether there may be any."""
    levels = np.concatenate([np.ravel(drawn.noise) for drawn in _many(transformation).values()])
    wrong = ~(np.isfinite(levels) & (levels >= 0))
    if wrong.any():
        raise Fault(f"noise must be finite and at least 0, got {levels[wrong][0]}")
    if levels.max() > 0 and not transformation.noisy:
        raise Fault(
            f"`noisy` is False, and a drawn map has noise {levels.max():.4g}. Tasks rely on it: without noise they "
            "take the energy at a point"
        )
    if levels.max() == 0 and transformation.noisy:
        raise Fault(
            f"`noisy` is True, and none of {len(levels)} drawn maps has noise above 0; tasks would be refused for "
            "nothing"
        )


def dimensions_of(transformation: AbstractTransformation) -> tuple[int, ...]:
    """The dimensions in which the transformation can be drawn; nothing is computed.

    Raises:
        NotChecked: there is none among those that are tried.
        Fault: a draw raises something else than a ValueError, or gives something else than a map.
    """
    possible = tuple(dim for dim in DIMENSIONS if _accepts(transformation, dim))
    if not possible:
        raise NotChecked(f"the transformation refuses every dimension from {DIMENSIONS[0]} to {DIMENSIONS[-1]}")
    return possible


def in_largest_dimension(
    draw: Callable[..., Any], transformation: AbstractTransformation
) -> tuple[Callable[..., Any], tuple[jax.Array, jax.Array]]:
    """A draw in the largest dimension that can be had, as a function of key and progress, and arguments for it."""
    dim = dimensions_of(transformation)[-1]
    return partial(draw, dim=dim), (jax.random.key(KEY), jnp.asarray(0.5))


def _accepts(transformation: AbstractTransformation, dim: int) -> bool:
    try:
        drawn = _form(transformation, dim)
    except ValueError:
        return False
    except Exception as error:
        raise Fault(
            f"a draw in dimension {dim}, with key and progress traced, raised {type(error).__name__}: {error}; a "
            "dimension that cannot be had is a ValueError, and everything else is written with jax operations"
        ) from error
    if not isinstance(drawn, OrthogonalMap):
        raise Fault(f"a draw in dimension {dim} must give an OrthogonalMap(matrix, noise), got {drawn!r}")
    return True


def _form(transformation: AbstractTransformation, dim: int) -> Any:
    draw = partial(transformation.draw, dim=dim)
    return jax.eval_shape(draw, jax.random.key(KEY), jax.ShapeDtypeStruct((), np.float32))


@shared
def _many(transformation: AbstractTransformation) -> dict[int, OrthogonalMap]:
    """Maps for many keys and every progress, stacked, in a few dimensions."""
    keys = jax.random.split(jax.random.key(KEY), KEYS * len(PROGRESS))
    progress = jnp.tile(jnp.asarray(PROGRESS), KEYS)
    drawn = {}
    dimensions = dimensions_of(transformation)
    for dim in sorted({*ends_of(dimensions), *(dim for dim in LOOKED_AT if dim in dimensions)}):
        draw = jax.jit(jax.vmap(partial(transformation.draw, dim=dim)))
        drawn[dim] = called(f"a draw under jax.vmap in dimension {dim}", draw, keys, progress)
    return drawn


def ends_of(dimensions: tuple[int, ...]) -> list[int]:
    """The smallest and the largest: compiling for those between them would only take time."""
    return sorted({dimensions[0], dimensions[-1]})
