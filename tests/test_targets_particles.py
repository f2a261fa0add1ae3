"""Particles: their symmetries, the integral of four of them by quadrature, and the known minima of clusters."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.signal import fftconvolve
from scipy.spatial.distance import pdist

from biglearn_targets import lennard_jones as family
from biglearn_targets.dw4 import LOG_Z, dw4
from biglearn_targets.grid import Grid, draws_by_quantiles, quantiles
from biglearn_targets.lennard_jones import lennard_jones, lj13, lj55
from biglearn_targets.particles import ParticleTarget, basis_without_centre, coordinates_of, sum_over_pairs
from biglearn_targets.rejection import draws_by_rejection

COUNT = 8_000
TARGETS = {"dw4": dw4, "lj13": lj13, "lj55": lj55}


@pytest.fixture(autouse=True, scope="module")
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def draws() -> np.ndarray:
    """Exact draws of `dw4`."""
    sample = dw4().facts.sample
    assert sample is not None
    return np.asarray(sample(jax.random.key(0), COUNT))


@jax.jit
def log_density(target: ParticleTarget, positions: jax.Array) -> jax.Array:
    return target.log_density(coordinates_of(positions))


def value(target: ParticleTarget, positions: Any) -> float:
    return float(log_density(target, jnp.asarray(positions, float)))


def some_positions(name: str) -> np.ndarray:
    """Particles on a lattice, a little moved, none of them near another."""
    space, spacing = (2, 3.0) if name == "dw4" else (3, 1.0)
    lattice = np.array(list(product(range(4), repeat=space)), float)[: {"dw4": 4, "lj13": 13, "lj55": 55}[name]]
    return spacing * lattice + 0.1 * np.random.default_rng(0).normal(size=lattice.shape)


# ------------------------------------------------------------------------------------------------------------
# Coordinates without a centre
# ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("particles", [2, 4, 13, 55])
def test_the_basis_is_orthonormal_and_has_no_centre(particles: int) -> None:
    basis = basis_without_centre(particles)
    np.testing.assert_allclose(basis.T @ basis, np.eye(particles - 1), atol=1e-14)
    np.testing.assert_allclose(basis.sum(0), 0.0, atol=1e-13)


@pytest.mark.parametrize(("particles", "space"), [(4, 2), (13, 3)])
def test_the_volume_of_all_positions_is_as_stated(particles: int, space: int) -> None:
    """Positions are `B u` plus the centre: the determinant of this map is `particles^(space / 2)`."""
    one_axis = np.column_stack([basis_without_centre(particles), np.ones(particles)])
    determinant = abs(np.linalg.det(np.kron(one_axis, np.eye(space))))
    assert determinant == pytest.approx(particles ** (space / 2), rel=1e-10)


@pytest.mark.parametrize("name", TARGETS)
def test_turning_mirroring_moving_and_exchanging_changes_nothing(name: str) -> None:
    target, positions = TARGETS[name](), some_positions(name)
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(target.space, target.space)))
    expected = value(target, positions)
    for other in (positions @ turn, -positions, positions + 5.0, positions[::-1], np.roll(positions, 3, axis=0)):
        assert value(target, other) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", TARGETS)
def test_quantities_are_positions_around_their_centre(name: str) -> None:
    target, positions = TARGETS[name](), some_positions(name)
    assert target.dim == {"dw4": 6, "lj13": 36, "lj55": 162}[name]
    found = np.asarray(target.quantities(coordinates_of(jnp.asarray(positions)))["positions"])
    np.testing.assert_allclose(found, positions - positions.mean(0), atol=1e-6)


@pytest.mark.parametrize("name", TARGETS)
def test_particles_at_one_place_have_a_finite_gradient_in_single_precision(name: str) -> None:
    with jax.enable_x64(False):
        target = TARGETS[name]()
        value_and_gradient = jax.jit(jax.value_and_grad(target.log_density))
        for size in (0.0, 1e-30, 1e-8, 1e-3, 0.1):
            noise = np.random.default_rng(0).normal(size=target.dim).astype(np.float32)
            found, gradient = value_and_gradient(size * noise)
            assert np.isfinite(found) and np.isfinite(gradient).all() and found < -900
            assert np.abs(gradient).max() < 1e6


# ------------------------------------------------------------------------------------------------------------
# DW4
# ------------------------------------------------------------------------------------------------------------


def double_well(distance: Any) -> Any:
    return 0.9 * (distance - 4.0) ** 4 - 4.0 * (distance - 4.0) ** 2


def test_every_pair_counts_once() -> None:
    square = 5.0 * np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    expected = 4 * double_well(5.0) + 2 * double_well(5.0 * np.sqrt(2.0))
    assert value(dw4(), square) == pytest.approx(-expected, rel=1e-7)
    positions = some_positions("dw4")
    assert value(dw4(), positions) == pytest.approx(-double_well(pdist(positions)).sum(), rel=1e-6)


def distances_by_convolution(step: float = 0.1, reach: float = 7.5) -> tuple[np.ndarray, np.ndarray, float]:
    """Distances of two particles, their masses, and `log Z`: the other two are integrated out by a convolution."""
    line = np.arange(-round(reach / step), round(reach / step) + 1) * step
    x, y = np.meshgrid(line, line, indexing="ij")
    from_first = np.exp(-double_well(np.hypot(x, y)))
    distances = np.arange(0.5 * step, reach, step)
    masses = []
    for distance in distances:
        beside_both = from_first * np.exp(-double_well(np.hypot(x - distance, y)))
        both_others = (beside_both * fftconvolve(beside_both, from_first, mode="same")).sum() * step**4
        masses.append(2.0 * np.pi * distance * np.exp(-double_well(distance)) * both_others * step)
    total = np.sum(masses)
    return distances, np.array(masses) / total, float(np.log(total / 4.0))


def test_the_integral_and_the_distances_of_four_particles(draws: np.ndarray) -> None:
    distances, masses, log_z = distances_by_convolution()
    assert pytest.approx(log_z, abs=1e-10) == LOG_Z
    positions = np.asarray(jax.vmap(dw4().positions)(jnp.asarray(draws)))
    for one, other in combinations(range(4), 2):
        drawn = np.linalg.norm(positions[:, one] - positions[:, other], axis=-1)
        for function in (np.square, np.sqrt, lambda d: d < 4.0, lambda d: np.abs(d - 4.0)):
            error = function(drawn).std() / np.sqrt(COUNT)
            assert abs(function(drawn).mean() - masses @ function(distances)) < 5 * error + 0.02 * error


def test_draws_of_four_particles_keep_their_scale_and_have_no_direction(draws: np.ndarray) -> None:
    slopes = (draws * np.asarray(jax.jit(jax.vmap(jax.grad(dw4().log_density)))(draws))).sum(-1)
    assert abs(slopes.mean() + 6.0) < 5 * slopes.std() / np.sqrt(COUNT)
    assert (np.abs(draws.mean(0)) < 5 * draws.std(0) / np.sqrt(COUNT)).all()
    products = draws.T @ draws / COUNT
    unequal = products - products.trace() / 6 * np.eye(6)
    assert np.abs(unequal).max() < 5 * np.sqrt(3 / COUNT) * products.trace() / 6


# ------------------------------------------------------------------------------------------------------------
# Lennard-Jones
# ------------------------------------------------------------------------------------------------------------


def icosahedron() -> np.ndarray:
    golden = 0.5 * (1.0 + np.sqrt(5.0))
    corners = [(0.0, a, b * golden) for a in (-1, 1) for b in (-1, 1)]
    corners = np.array([np.roll(corner, shift) for corner in corners for shift in range(3)])
    return corners / np.linalg.norm(corners[0])


def cluster(particles: int) -> np.ndarray:
    """A centre, an icosahedron around it, and for 55 a second one of twice the size with all middles of its edges."""
    corners = icosahedron()
    edges = [(a + b) for a, b in combinations(corners, 2) if np.linalg.norm(a - b) < 1.1]
    shells = [np.zeros((1, 3)), corners] + ([2.0 * corners, np.array(edges)] if particles == 55 else [])
    return np.concatenate(shells)


@pytest.mark.parametrize(("particles", "known"), [(13, -44.326801), (55, -279.248470)])
def test_clusters_have_the_known_deepest_minima(particles: int, known: float) -> None:
    """Pairs counted once, without the spring, as in the Cambridge Cluster Database."""
    start = cluster(particles)
    assert start.shape == (particles, 3)

    @jax.jit
    @jax.value_and_grad
    def energy(flat: jax.Array) -> jax.Array:
        return sum_over_pairs(family.pair_energy, flat.reshape(-1, 3))

    def of_flat(flat: np.ndarray) -> tuple[float, np.ndarray]:
        found, slope = energy(jnp.asarray(flat))
        return float(found), np.asarray(slope)

    found = minimize(of_flat, start.ravel(), jac=True, method="L-BFGS-B", options={"gtol": 1e-7, "ftol": 1e-15})
    assert found.fun == pytest.approx(known, abs=2e-6)


def test_pairs_count_twice_or_once_and_the_spring_once() -> None:
    pair = np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert value(lennard_jones(2, "once"), pair) == pytest.approx(1.0 - 0.25, abs=1e-6)
    assert value(lennard_jones(2, "twice"), pair) == pytest.approx(2.0 - 0.25, abs=1e-6)
    positions = some_positions("lj13")
    distances, spring = pdist(positions), 0.5 * ((positions - positions.mean(0)) ** 2).sum()
    pairs = (distances**-12 - 2 * distances**-6).sum()
    assert value(lj13("once"), positions) == pytest.approx(-pairs - spring, rel=1e-6)
    assert value(lj13(), positions) == pytest.approx(-2 * pairs - spring, rel=1e-6)
    assert value(lj55(), cluster(55)) - value(lj55("once"), cluster(55)) > 200


def test_near_particles_have_the_tangent() -> None:
    slope = jax.jit(jax.grad(family.pair_energy))
    edge = family.CLOSEST_SQUARE
    assert float(family.pair_energy(jnp.asarray(edge))) == pytest.approx(0.6**-12 - 2 * 0.6**-6, rel=1e-9)
    for square in (0.0, 0.2, edge - 1e-9):
        assert float(slope(square)) == pytest.approx(float(slope(edge + 1e-9)), rel=1e-6)
    assert float(family.pair_energy(jnp.zeros(()))) == pytest.approx(416.6 + 7301 * 0.36, rel=1e-2)
    assert float(family.pair_energy(jnp.asarray(0.81))) == pytest.approx(0.9**-12 - 2 * 0.9**-6, rel=1e-9)


# ------------------------------------------------------------------------------------------------------------
# Ways to draw
# ------------------------------------------------------------------------------------------------------------


def test_draws_by_quantiles_follow_the_masses_of_the_cells() -> None:
    line, masses = Grid(-1.0, 3.0, 4), np.array([1.0, 0.5, 2.0, 5.0])
    drawn = np.asarray(draws_by_quantiles(jax.random.key(0), (COUNT,), quantiles(line, masses)))
    counted = np.histogram(drawn, line.edges)[0] / COUNT
    np.testing.assert_allclose(counted, masses / 8.5, atol=5 * np.sqrt(0.25 / COUNT))
    inside = drawn[drawn > 2.0] - 2.0
    assert inside.mean() == pytest.approx(0.5, abs=5 * np.sqrt(1 / 12 / len(inside)))


def test_rejection_keeps_what_is_accepted_and_fills_every_place() -> None:
    def propose(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        points = jax.random.normal(key, (100, 2))
        return points, points[:, 0] > 1.0

    drawn = np.asarray(draws_by_rejection(jax.random.key(0), 777, 2, propose))
    assert drawn.shape == (777, 2) and (drawn[:, 0] > 1.0).all() and len(np.unique(drawn[:, 1])) == 777
    # E[x | x > 1] = phi(1) / (1 - Phi(1)) = 1.5251, with a deviation of 0.4461.
    assert drawn[:, 0].mean() == pytest.approx(1.5251, abs=5 * 0.4461 / np.sqrt(777))
