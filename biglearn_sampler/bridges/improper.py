"""Priors that cannot be normalised, in models whose data do not help: their posterior has no finite integral."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpyro.distributions import biject_to

from biglearn_sampler.bridges.sites import Site, can_be_drawn, is_masked, shape_of
from biglearn_sampler.errors import TargetError

FAR_ON_LINE = (1e6, 1e9)
"""Two distances along a coordinate that the value follows in proportion; single precision can square them."""

CROSSINGS = 4
"""Places where lines along the coordinates cross."""

FAR_ON_LOG_SCALE = (40.0, 80.0)
"""Likewise of any other coordinate, where exponentials have to be numbers."""


def check_integrable(
    log_density: Callable[[Float[Array, " dim"]], Float[Array, ""]],
    centre: Float[Array, " dim"],
    scale: Float[Array, " dim"],
    sites: Mapping[str, Site],
    places: Mapping[str, Array],
) -> None:
    """Refuse a density that surely has no finite integral along a coordinate with an improper prior.

    Far out, at `u_1 < u_2`, the log density must fall by more than `log(u_2 / u_1)`, or the tail is no lighter than
    `1 / u`. Looked at along one coordinate at a time: an impropriety along several together is not seen. Where the
    lines cross, other coordinates may happen to switch the data off; so they cross at several places.

    Arguments:
        log_density: in unconstrained coordinates.
        centre, scale: around which the lines cross.
        sites: of the model, by name.
        places: which coordinates belong to each latent site.

    Raises:
        TargetError: the log density does not fall.
    """
    lines = list(_improper_lines(sites, places))
    if not lines:
        return
    noise = np.random.default_rng(0).standard_normal((CROSSINGS, len(centre)))
    crossings = np.asarray(centre, float) + np.asarray(scale, float) * noise
    rays = [(line, sign) for line in lines for sign in (-1.0, 1.0)]
    points = np.array(
        [_moved(at, place, sign * far) for (_, place, ends), sign in rays for at in crossings for far in ends]
    )
    values = np.asarray(jax.jit(jax.vmap(log_density))(jnp.asarray(points, centre.dtype)), float)
    for ((name, _, (near, far)), _), ends in zip(rays, values.reshape(-1, CROSSINGS, 2), strict=True):
        looked_at = ends[np.isfinite(ends[:, 0])]
        if len(looked_at) and (looked_at[:, 1] - looked_at[:, 0] >= -math.log(far / near)).all():
            at_near, at_far = looked_at[0]
            masked = is_masked(sites[name]["fn"])
            what = "is masked" if masked else "has an improper prior"
            todo = "Make a site of what is not masked alone" if masked else "Give it a proper prior"
            raise TargetError(
                f"latent site '{name}' {what}, and the data do not make up for it: the log density is {at_near:.6g} at "
                f"a distance of {near:g} in its unconstrained coordinate and {at_far:.6g} at {far:g}, so the posterior "
                f"has no finite integral. {todo}"
            )


def _improper_lines(
    sites: Mapping[str, Site], places: Mapping[str, Array]
) -> Iterator[tuple[str, int, tuple[float, float]]]:
    """Site, coordinate and two distances, for every coordinate of a site whose prior cannot be drawn from."""
    for name, coordinates in places.items():
        if can_be_drawn(sites[name]["fn"]):
            continue
        for place, linear in zip(np.ravel(coordinates), _are_linear(sites[name]), strict=True):
            yield name, int(place), FAR_ON_LINE if linear else FAR_ON_LOG_SCALE


def _are_linear(site: Site) -> np.ndarray:
    """Of each unconstrained coordinate, whether the value moves in proportion: the first of ordered values does."""
    transform = biject_to(site["fn"].support)
    shape = transform.inverse_shape(shape_of(site))
    steps = np.eye(math.prod(shape)).reshape(-1, *shape)
    values = jax.jit(jax.vmap(transform))
    start, near, far = (np.asarray(values(jnp.asarray(size * steps, float))) for size in (0.0, 1.0, 2.0))
    curved = np.abs(far - 2.0 * near + start) > 1e-3
    return np.asarray(~curved.reshape(len(steps), -1).any(1))


def _moved(start: Float[np.ndarray, " dim"], place: int, distance: float) -> np.ndarray:
    point = start.copy()
    point[place] += distance
    return point
