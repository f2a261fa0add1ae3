"""Independent targets side by side."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from biglearn_sampler.energy.combined.parts import all_mixtures, checked_parts, dearest_gradient, responsibilities_of
from biglearn_sampler.energy.evaluations import Evaluations
from biglearn_sampler.energy.facts import Facts
from biglearn_sampler.energy.mixture_target import MixtureTarget
from biglearn_sampler.energy.target import AbstractTarget
from biglearn_sampler.mixture import GaussianMixture

Named = TypeVar("Named")

MOST_MODES = 1024
"""Modes of a product are all combinations; beyond so many they are left unknown."""

MOST_COMPONENTS = 128
"""A product of mixtures is written out as one mixture up to here; beyond, its parts are cheaper to evaluate."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ProductTarget(AbstractTarget):
    """`q(x) = q_1(x_1) q_2(x_2) ...` for consecutive blocks of coordinates; see `product`.

    Arguments:
        parts: `q_1, q_2, ...`, at least one.
    """

    parts: tuple[AbstractTarget, ...]

    @property
    def dim(self) -> int:
        return sum(part.dim for part in self.parts)

    @property
    def centre(self) -> Float[Array, " dim"]:
        return jnp.concatenate([part.centre for part in self.parts])

    @property
    def scale(self) -> Float[Array, " dim"]:
        return jnp.concatenate([part.scale for part in self.parts])

    @property
    def facts(self) -> Facts:
        """The sum of `log_z`, exact draws of every part, and all combinations of modes up to `MOST_MODES`."""
        known = [part.facts for part in self.parts]
        constants = [each.log_z for each in known if each.log_z is not None]
        samplers = [each.sample for each in known if each.sample is not None]
        log_z = sum(constants) if len(constants) == len(known) else None
        sample = self._sample_by(samplers) if len(samplers) == len(known) else None
        masses = [each.mode_weights for each in known if each.mode_weights is not None]
        if len(masses) < len(known) or math.prod(map(len, masses)) > MOST_MODES:
            return Facts(log_z=log_z, sample=sample)
        modes = itertools.product(*[np.asarray(each.modes) for each in known])
        return Facts(
            log_z=log_z,
            modes=jnp.asarray([np.concatenate(each) for each in modes]),
            mode_weights=_all_products(masses),
            responsibilities=self._responsibilities,
            sample=sample,
        )

    @property
    def price_of_gradient(self) -> Evaluations:
        return dearest_gradient(self.parts)

    @property
    def has_names(self) -> bool:
        return any(part.has_names for part in self.parts)

    def log_density(self, point: Float[Array, " dim"]) -> Float[Array, ""]:
        values = [part.log_density(block) for part, block in zip(self.parts, self._blocks(point), strict=True)]
        return jnp.stack(values).sum()

    def quantities(self, point: Float[Array, " dim"]) -> dict[str, Array]:
        """Those of all parts. A name of several parts gets the number of the part, from 0: `x_0`, `x_1`.

        So does one that is another's name with its number.
        """
        if not self.has_names:
            return {"x": point}
        found = [part.quantities(block) for part, block in zip(self.parts, self._blocks(point), strict=True)]
        return _together(found)

    def asked_at(self, points: Float[Array, "count dim"]) -> Iterator[tuple[AbstractTarget, Float[Array, "count own"]]]:
        for part, block in zip(self.parts, self._blocks(points), strict=True):
            yield from part.asked_at(block)

    def observed(self) -> dict[str, np.ndarray]:
        """Those of all parts, named like `quantities`."""
        return _together([part.observed() for part in self.parts])

    def _blocks(self, points: Float[Array, "*batch dim"]) -> list[Float[Array, "*batch block"]]:
        ends = np.cumsum([part.dim for part in self.parts])
        return jnp.split(points, ends[:-1].tolist(), axis=-1)

    def _responsibilities(self, point: Float[Array, " dim"]) -> Float[Array, " modes"]:
        found = responsibilities_of(self.parts)
        shares = [each(block) for each, block in zip(found, self._blocks(point), strict=True)]
        return _all_products(shares)

    def _sample_by(
        self, samplers: list[Callable[[Key[Array, ""], int], Float[Array, "count block"]]]
    ) -> Callable[[Key[Array, ""], int], Float[Array, "count dim"]]:
        def sample(key: Key[Array, ""], count: int) -> Float[Array, "count dim"]:
            keys = jax.random.split(key, len(samplers))
            return jnp.concatenate([draw(key, count) for draw, key in zip(samplers, keys, strict=True)], axis=-1)

        return sample


def _together(found: list[dict[str, Named]]) -> dict[str, Named]:
    """What all parts have by name, in one dict."""
    numbered = _ambiguous([(number, name) for number, each in enumerate(found) for name in each])
    return {
        f"{name}_{number}" if name in numbered else name: value
        for number, each in enumerate(found)
        for name, value in each.items()
    }


def _ambiguous(names: list[tuple[int, str]]) -> set[str]:
    """Of names with the numbers of their parts, those that need the number to be told apart."""
    owners = Counter(name for _, name in names)
    numbered = {name for name, count in owners.items() if count > 1}
    while True:
        taken = {f"{name}_{number}" for number, name in names if name in numbered}
        more = {name for _, name in names if name in taken} - numbered
        if not more:
            return numbered
        numbered |= more


def product(*targets: AbstractTarget) -> ProductTarget | MixtureTarget:
    """Independent targets side by side: `q(x_1, x_2, ...) = q_1(x_1) q_2(x_2) ...`.

    Coordinates and declared regions stand in the order of the arguments. `log Z` is the sum. Modes are all combinations
    of modes, known up to 1,024 of them; exact draws are known where all parts have them. Gaussian mixtures with at
    most 128 combined components become one `MixtureTarget`, which has exact channels.

    Arguments:
        targets: at least one; each keeps its own coordinates.

    Raises:
        TargetError: no target, or something that is none.

    Example:
        >>> import biglearn_sampler as bl
        >>> bl.product(bl.target("two_modes", first_weight=0.2), bl.target("rings")).dim
        4
    """
    parts = checked_parts("product", targets)
    mixtures = all_mixtures(parts)
    if mixtures is None or math.prod(part.mixture.components for part in mixtures) > MOST_COMPONENTS:
        return ProductTarget(parts)
    together = ProductTarget(parts)
    return MixtureTarget(_written_out([part.mixture for part in mixtures]), together.centre, together.scale)


def _written_out(mixtures: list[GaussianMixture]) -> GaussianMixture:
    """One component for every combination, in NumPy: a compiled operation for each shape would take seconds."""
    log_weights, means, factors = np.zeros(1), np.zeros((1, 0)), np.zeros((1, 0, 0))
    for mixture in mixtures:
        first = np.repeat(np.arange(len(means)), mixture.components)
        second = np.tile(np.arange(mixture.components), len(means))
        log_weights = log_weights[first] + np.asarray(mixture.log_weights, float)[second]
        means = np.concatenate([means[first], np.asarray(mixture.means, float)[second]], axis=1)
        before, dim = factors.shape[1], means.shape[1]
        joined = np.zeros((len(means), dim, dim))
        joined[:, :before, :before] = factors[first]
        joined[:, before:, before:] = np.asarray(mixture.factors, float)[second]
        factors = joined
    return GaussianMixture(*(jnp.asarray(array, float) for array in (log_weights, means, factors)))


def _all_products(shares: list[Float[Array, " _"]]) -> Float[Array, " combinations"]:
    """The products of every combination, the first factor slowest."""
    combined = jnp.ones(1)
    for each in shares:
        combined = (combined[:, None] * each).ravel()
    return combined
