"""Mixtures of targets over the same coordinates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, Key
from numpy.typing import ArrayLike

from biglearn_sampler.energy.combined.parts import all_mixtures, checked_parts, dearest_gradient, responsibilities_of
from biglearn_sampler.energy.evaluations import Evaluations
from biglearn_sampler.energy.facts import Facts
from biglearn_sampler.energy.mixture_target import MixtureTarget
from biglearn_sampler.energy.target import AbstractTarget
from biglearn_sampler.errors import TargetError
from biglearn_sampler.mixture import Channel, GaussianMixture


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SumTarget(AbstractTarget):
    """`log q(x) = log sum_k exp(c_k + log_density_k(x))`; see `mixture_of`.

    Arguments:
        parts: at least one, all of the same dimension.
        log_factors: `c_k`.
    """

    parts: tuple[AbstractTarget, ...]
    log_factors: Float[Array, " parts"]

    @property
    def dim(self) -> int:
        return self.parts[0].dim

    @property
    def centre(self) -> Float[Array, " dim"]:
        lower, upper = self._box()
        return 0.5 * (lower + upper)

    @property
    def scale(self) -> Float[Array, " dim"]:
        lower, upper = self._box()
        return 0.5 * (upper - lower)

    @property
    def facts(self) -> Facts:
        """All modes of all parts, and exact draws, where every part knows its own and its `log_z`."""
        known = [part.facts for part in self.parts]
        constants = [each.log_z for each in known if each.log_z is not None]
        if len(constants) < len(known):
            return Facts()
        log_masses = np.asarray(self.log_factors, float) + np.array(constants)
        log_z = float(np.logaddexp.reduce(log_masses))
        masses = np.exp(log_masses - log_z)
        samplers = [each.sample for each in known if each.sample is not None]
        sample = _sample_by(samplers, masses) if len(samplers) == len(known) else None
        shares = [each.mode_weights for each in known if each.mode_weights is not None]
        if len(shares) < len(known):
            return Facts(log_z=log_z, sample=sample)
        return Facts(
            log_z=log_z,
            modes=jnp.concatenate([jnp.asarray(each.modes) for each in known]),
            mode_weights=jnp.concatenate([mass * jnp.asarray(each) for mass, each in zip(masses, shares, strict=True)]),
            responsibilities=self._responsibilities,
            sample=sample,
        )

    @property
    def price_of_gradient(self) -> Evaluations:
        return dearest_gradient(self.parts)

    @property
    def has_names(self) -> bool:
        return self.parts[0].has_names

    @property
    def has_exact_channels(self) -> bool:
        return all(part.has_exact_channels for part in self.parts)

    def log_density(self, point: Float[Array, " dim"]) -> Float[Array, ""]:
        return _log_sum([part.log_density for part in self.parts], self.log_factors)(point)

    def channel_log_density(self, channel: Channel, view: Float[Array, " rows"]) -> Float[Array, ""]:
        return _log_sum([partial(part.channel_log_density, channel) for part in self.parts], self.log_factors)(view)

    def asked_at(self, points: Float[Array, "count dim"]) -> Iterator[tuple[AbstractTarget, Float[Array, "count own"]]]:
        for part in self.parts:
            yield from part.asked_at(points)

    def observed(self) -> dict[str, np.ndarray]:
        return self.parts[0].observed()

    def quantities(self, point: Float[Array, " dim"]) -> dict[str, Array]:
        """Those of the first part: all parts share the coordinates."""
        return self.parts[0].quantities(point)

    def _terms(self, point: Float[Array, " dim"]) -> Float[Array, " parts"]:
        return _terms([part.log_density(point) for part in self.parts], self.log_factors)

    def _responsibilities(self, point: Float[Array, " dim"]) -> Float[Array, " modes"]:
        shares = jax.nn.softmax(self._terms(point))
        found = []
        for share, responsibilities in zip(shares, responsibilities_of(self.parts), strict=True):
            # Far from all modes of a part they may be no numbers, and its share is zero.
            found.append(jnp.where(share > 0, share * responsibilities(point), 0.0))
        return jnp.concatenate(found)

    def _box(self) -> tuple[Float[Array, " dim"], Float[Array, " dim"]]:
        """The corners of the box around the declared regions of all parts."""
        lower = jnp.stack([part.centre - part.scale for part in self.parts]).min(0)
        return lower, jnp.stack([part.centre + part.scale for part in self.parts]).max(0)


def mixture_of(
    targets: Sequence[AbstractTarget], weights: ArrayLike | None = None, *, normalised: bool = True
) -> SumTarget | MixtureTarget:
    """A mixture of targets: `q(x) = sum_k w_k q_k(x) / Z_k`, or `sum_k w_k q_k(x)` of the densities as written.

    With `normalised=True` a weight is the share of the mass that its target gets, up to a factor, and every `log Z`
    must be known. With `normalised=False` the weights stay as they are, `Z` is `sum_k w_k Z_k`, and nothing need be
    known. The declared region is the box around those of all parts. Modes, their masses and exact draws are known where
    every part knows its own and its `log Z`. Gaussian mixtures become one `MixtureTarget`, or, where its density would
    have to be multiplied by `sum_k w_k`, a `SumTarget` of this one part; exact channels are kept.

    Arguments:
        targets: at least one, all of the same dimension. Named quantities are those of the first.
        weights: as many positive numbers; one for each target when left out.
        normalised: whether every density is divided by its `Z` first, and the weights by their sum.

    Raises:
        TargetError: no target, targets of different dimensions, weights that do not fit, or a `log Z` that is needed
            and not known.

    Example:
        >>> import biglearn_sampler as bl
        >>> both = bl.mixture_of([bl.target("rings"), bl.target("two_modes")], [0.9, 0.1])
        >>> round(float(both.facts.mode_weights.sum()), 5)
        1.0
    """
    if isinstance(targets, AbstractTarget):
        raise TargetError("mixture_of takes a list of targets: mixture_of([a, b], [0.9, 0.1])")
    parts = checked_parts("mixture_of", tuple(targets))
    dims = [part.dim for part in parts]
    if len(set(dims)) > 1:
        raise TargetError(f"mixture_of takes targets of one dimension, got dimensions {', '.join(map(str, dims))}")
    checked = _checked_weights(weights, len(parts))
    factor = 1.0 if normalised else float(checked.sum())
    log_shares = np.log(checked / checked.sum())
    log_factors = log_shares + np.log(factor) - _log_constants(parts, normalised)
    together = SumTarget(parts, jnp.asarray(log_factors, float))
    mixtures = all_mixtures(parts)
    if mixtures is None:
        return together
    joined = [part.mixture for part in mixtures]
    mixture = GaussianMixture(
        jnp.concatenate([each + mine.log_weights for each, mine in zip(log_shares.tolist(), joined, strict=True)]),
        jnp.concatenate([mine.means for mine in joined]),
        jnp.concatenate([mine.factors for mine in joined]),
    )
    target = MixtureTarget(mixture, together.centre, together.scale)
    if np.isclose(factor, 1.0, rtol=1e-6, atol=0.0):
        return target
    return SumTarget((target,), jnp.asarray([np.log(factor)], float))


def _log_sum(
    log_densities: Sequence[Callable[[Float[Array, " dim"]], Float[Array, ""]]], log_factors: Float[Array, " parts"]
) -> Callable[[Float[Array, " dim"]], Float[Array, ""]]:
    """`log sum_k exp(c_k + log_density_k(x))`; where a part is NaN or zero, only the others count."""

    @jax.custom_jvp
    def log_sum(point: Float[Array, " dim"]) -> Float[Array, ""]:
        return logsumexp(_terms([each(point) for each in log_densities], log_factors))

    @log_sum.defjvp
    def _log_sum_jvp(
        primals: tuple[Float[Array, " dim"]], tangents: tuple[Float[Array, " dim"]]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        (point,), (tangent,) = primals, tangents
        found = [jax.value_and_grad(each)(point) for each in log_densities]
        terms = _terms([value for value, _ in found], log_factors)
        shares = jax.nn.softmax(terms)[:, None]
        # A part without a share may have a gradient that is no number, which zero times would not take away.
        gradients = jnp.where(shares > 0, shares * jnp.stack([gradient for _, gradient in found]), 0.0)
        return logsumexp(terms), (gradients.sum(0) @ tangent).astype(terms.dtype)

    return log_sum


def _terms(values: Sequence[Float[Array, ""]], log_factors: Float[Array, " parts"]) -> Float[Array, " parts"]:
    """`c_k + log_density_k(x)`, with NaN as density zero, and `+inf` as it is: a target that has it is refused."""
    terms = log_factors + jnp.stack(values)
    return jnp.where(jnp.isnan(terms), -jnp.inf, terms)


def _checked_weights(weights: ArrayLike | None, count: int) -> np.ndarray:
    try:
        checked = np.ones(count) if weights is None else np.asarray(weights, float)
    except (TypeError, ValueError):
        checked = np.zeros(0)
    if checked.shape != (count,) or not (np.isfinite(checked) & (checked > 0)).all():
        raise TargetError(f"mixture_of: weights must be {count} positive numbers, one for each target, got {weights}")
    return checked


def _log_constants(parts: tuple[AbstractTarget, ...], normalised: bool) -> np.ndarray:
    """What is subtracted from every log density."""
    if not normalised:
        return np.zeros(len(parts))
    constants = [part.facts.log_z for part in parts]
    if None in constants:
        raise TargetError(
            f"mixture_of: log Z of target {constants.index(None)} is not known, so its weight cannot be a share of the "
            "mass; say normalised=False to weigh the densities as they are written"
        )
    return np.array(constants, float)


def _sample_by(
    samplers: list[Callable[[Key[Array, ""], int], Float[Array, "count dim"]]], masses: np.ndarray
) -> Callable[[Key[Array, ""], int], Float[Array, "count dim"]]:
    def sample(key: Key[Array, ""], count: int) -> Float[Array, "count dim"]:
        key_part, *keys = jax.random.split(key, len(samplers) + 1)
        chosen = jax.random.categorical(key_part, jnp.log(masses), shape=(count,))
        draws = jnp.stack([draw(key, count) for draw, key in zip(samplers, keys, strict=True)])
        return draws[chosen, jnp.arange(count)]

    return sample
