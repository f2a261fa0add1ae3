"""What tells whether two targets are one: the region that they declare, and their energies at the same points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from biglearn_sampler.catalogue.problems import told
from biglearn_sampler.compilation import jit_quickly
from biglearn_sampler.energy import AbstractTarget, Look
from biglearn_sampler.errors import RunFolderError
from biglearn_sampler.precision import full_precision

POINTS = 16
"""Of the declared region, the same ones for every seed and for all settings."""

POINTS_KEPT = 4
"""Of those at which a run looked at its energy, kept with its record; no further evaluation is asked for them."""

SAME = 1e-3
"""Energies that agree to within this, relative to their size, are those of one target; another machine may round."""


@full_precision()
def print_of(target: AbstractTarget) -> dict[str, Any]:
    """What a record says of a target to know it again: names and parameters do not tell those made in Python apart."""
    # Of NumPy: those of JAX depend on its version and precision.
    noise = np.random.default_rng(0).standard_normal((POINTS, target.dim))
    points = target.centre + target.scale * jnp.asarray(noise, target.centre.dtype)
    energies = jit_quickly(jax.vmap(target.log_density))(points)
    return {**_region_of(target), "log_densities": np.asarray(energies, float).tolist()}


def print_of_look(target: AbstractTarget, look: Look) -> dict[str, Any]:
    """What the record of a run says of its target: the region, and energies that it saw before the training."""
    kept = np.argsort(~np.isfinite(look.log_densities), kind="stable")[:POINTS_KEPT]
    energies = {"points": look.points[kept].tolist(), "log_densities": look.log_densities[kept].tolist()}
    return {**_region_of(target), **energies}


@full_precision()
def is_seen_in(printed: Mapping[str, Any], target: AbstractTarget) -> bool:
    """Whether a target has the energies that a run saw when it looked."""
    points = jnp.asarray(_numbers(printed, "points"), target.centre.dtype)
    energies = jit_quickly(jax.vmap(target.log_density))(points)
    return agree(_numbers(printed, "log_densities"), np.asarray(energies, float))


def check_print(record: Mapping[str, Any], is_its: Callable[[Mapping[str, Any]], bool], path: Path) -> None:
    """Refuse a target that is not that of a folder: figures of one would stand beside the sampler of another.

    Arguments:
        record: of the folder; those of earlier versions have no print, and are trusted.
        is_its: whether a print is that of the target.
        path: of the folder.

    Raises:
        RunFolderError: it is another one, or cannot be compared.
    """
    printed = record.get("target_print")
    try:
        is_its_own = printed is None or is_its(printed)
    except (KeyError, TypeError, ValueError) as error:
        raise RunFolderError(
            f"the target cannot be compared with what {path / 'run.json'} says of it as target_print ({told(error)})"
        ) from error
    if not is_its_own:
        raise RunFolderError(
            f"the target is not the one of {path}: their log densities at the same points, or their regions, differ; "
            "give that one"
        )


def is_same(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether two prints are of one target."""
    return _is_same_region(before, now) and agree(_numbers(before, "log_densities"), _numbers(now, "log_densities"))


def is_of(printed: Mapping[str, Any], target: AbstractTarget) -> bool:
    """Whether the print in the record of a run is that of a target, its region included."""
    return _is_same_region(printed, _region_of(target)) and is_seen_in(printed, target)


def agree(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Whether energies at the same points are those of one target."""
    return ours.shape == theirs.shape and bool(np.isclose(ours, theirs, rtol=SAME, atol=SAME, equal_nan=True).all())


def _region_of(target: AbstractTarget) -> dict[str, Any]:
    region = {"centre": target.centre, "scale": target.scale}
    return {part: np.broadcast_to(np.asarray(each, float), (target.dim,)).tolist() for part, each in region.items()}


def _is_same_region(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    return all(np.array_equal(_numbers(before, part), _numbers(now, part)) for part in ("centre", "scale"))


def _numbers(printed: Mapping[str, ArrayLike], part: str) -> np.ndarray:
    """JSON has no infinity, which is a text there."""
    return np.array(printed[part], float)
