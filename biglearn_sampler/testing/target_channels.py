"""Checks of a target's closed-form channels, against the energy alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from biglearn_sampler.energy import AbstractTarget
from biglearn_sampler.mixture import Channel
from biglearn_sampler.testing.fault import Fault, NotChecked, called
from biglearn_sampler.testing.points import double_precision, in_batches
from biglearn_sampler.testing.quadrature import channel_log_density, quadrature_of
from biglearn_sampler.testing.reversible import ERRORS, metropolis_deviation
from biglearn_sampler.testing.shared import shared
from biglearn_sampler.testing.target_facts import exact_draws

SEED = 25
VIEWS = 8
NOISE = 0.4
"""In declared scales."""

TOLERANCE, LEVEL_TOLERANCE = 5e-3, 0.03
"""Of differences between views, and of the constant, which quadrature knows less well."""


def check_exact_channels(target: AbstractTarget) -> None:
    """`channel_log_density` is the log density of `y = W x + b + sigma n`, with the constant of `log_density`.

    Channels have random directions, stretched as whitening does it, with and without noise. In one and two dimensions
    they are compared with quadrature; in more, and up to the constant, with exact draws sent through the channel.
    """
    if not target.has_exact_channels:
        raise NotChecked("exact channels are not offered")
    for channel in _channels(target):
        if target.dim <= 2:
            _compare_with_quadrature(target, channel)
        else:
            _compare_with_draws(target, channel)


def _channels(target: AbstractTarget) -> Iterator[Channel]:
    """One row without noise and with it, and all rows (at most 3) with noise."""
    random = np.random.default_rng(SEED)
    scale = np.asarray(target.scale, float)
    for rows, noise in ((1, 0.0), (1, NOISE), (min(target.dim, 3), NOISE)):
        matrix, _ = np.linalg.qr(random.normal(size=(target.dim, target.dim)))
        stretched = matrix[:rows] / scale * random.uniform(0.7, 1.4, size=target.dim)
        yield Channel(jnp.asarray(stretched, float), jnp.asarray(random.normal(size=rows), float), jnp.asarray(noise))


def _views(channel: Channel, points: np.ndarray) -> Float[np.ndarray, "count rows"]:
    noise = np.random.default_rng(SEED + 1).normal(size=(len(points), channel.rows))
    matrix, offset = np.asarray(channel.matrix, float), np.asarray(channel.offset, float)
    return points @ matrix.T + offset + float(channel.noise) * noise


def _compare_with_quadrature(target: AbstractTarget, channel: Channel) -> None:
    quadrature = quadrature_of(target)
    chosen = np.random.default_rng(SEED + 2).choice(len(quadrature.points), size=VIEWS, p=quadrature.masses)
    views = _views(channel, quadrature.points[chosen])
    expected = channel_log_density(target, channel, views)
    found = _closed_form(target, channel, views)
    differences = (found - found[0]) - (expected - expected[0])
    worst = int(np.argmax(np.abs(differences)))
    if not abs(differences[worst]) <= TOLERANCE:
        raise Fault(
            f"channel_log_density {_told(channel)}: between two views it differs by {found[worst] - found[0]:.5g}, and "
            f"quadrature of the density by {expected[worst] - expected[0]:.5g}. Expected the log density of "
            "y = W x + b + sigma n"
        )
    off = float(np.median(found - expected))
    if not abs(off) <= LEVEL_TOLERANCE:
        raise Fault(
            f"channel_log_density {_told(channel)}: it lies {off:.5g} above the integral of the density as written. "
            "Expected the constant of log_density, log Z included, so that targets can be mixed"
        )


def _compare_with_draws(target: AbstractTarget, channel: Channel) -> None:
    views = _views(channel, exact_draws(target))
    deviation = metropolis_deviation(partial(_closed_form, target, channel), views)
    if not deviation <= ERRORS:
        raise Fault(
            f"channel_log_density {_told(channel)}: exact draws sent through the channel do not have this density; a "
            f"Metropolis step moves their means by {deviation:.1f} standard errors"
        )


def _closed_form(target: AbstractTarget, channel: Channel, views: np.ndarray) -> np.ndarray:
    with double_precision(target):
        of_batch = partial(_compiled_channel(target), channel)
        return called(f"channel_log_density {_told(channel)}", in_batches, of_batch, views)


@shared
def _compiled_channel(target: AbstractTarget) -> Callable[..., Any]:
    return jax.jit(jax.vmap(target.channel_log_density, (None, 0)))


def _told(channel: Channel) -> str:
    rows = "1 row" if channel.rows == 1 else f"{channel.rows} rows"
    return f"with {rows} of {channel.dim} and noise {float(channel.noise):.2g}"
