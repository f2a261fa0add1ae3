"""The NumPyro models of the gallery: their log densities by hand, and what is known of them against other routes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import binom, dirichlet, gamma, lognorm, multivariate_normal, norm

from biglearn_sampler.bridges import NumpyroTarget
from biglearn_targets import brownian_motion, label_switching, seeds, sensor_network


@pytest.fixture(autouse=True, scope="module")
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def values_at(target: NumpyroTarget, seed: int) -> tuple[float, dict[str, np.ndarray]]:
    """The log density at some point near the centre, and the sites there."""
    point = target.centre + 0.2 * target.scale * np.random.default_rng(seed).normal(size=target.dim)
    density, sites = jax.jit(lambda point: (target.log_density(point), target.quantities(point)))(point)
    return float(density), {name: np.asarray(value) for name, value in sites.items()}


# Brownian motion


def test_brownian_motion_by_hand() -> None:
    target = brownian_motion.brownian_motion()
    found, sites = values_at(target, 0)
    step, noise = float(sites["innovation_noise_scale"]), float(sites["observation_noise_scale"])
    path = sites["locs"]
    expected = lognorm.logpdf([step, noise], 2.0).sum() + np.log(step * noise)
    expected += norm.logpdf(np.diff(path, prepend=0.0), 0.0, step).sum()
    expected += norm.logpdf(brownian_motion.OBSERVED, path[list(brownian_motion.SEEN)], noise).sum()
    assert target.dim == 32 and found == pytest.approx(expected, rel=1e-10)


def test_the_evidence_of_the_scales_is_that_of_the_whole_path() -> None:
    masses = brownian_motion._scale_masses()
    first, second = brownian_motion.INNOVATION_GRID, brownian_motion.OBSERVATION_GRID
    times = np.array(brownian_motion.SEEN) + 1.0
    for row, column in ((270, 400), (300, 420), (200, 470)):
        step, noise = np.exp(first.midpoints[row]), np.exp(second.midpoints[column])
        covariance = step**2 * np.minimum(times[:, None], times) + noise**2 * np.eye(len(times))
        law = multivariate_normal(np.zeros(len(times)), covariance)  # pyright: ignore[reportArgumentType]
        prior = norm.logpdf([first.midpoints[row], second.midpoints[column]], 0.0, 2.0).sum()
        expected = law.logpdf(brownian_motion.OBSERVED) + prior + np.log(first.width * second.width)
        assert np.log(masses[row, column]) == pytest.approx(expected, abs=1e-8)


def test_nothing_of_the_scales_lies_at_the_edge_of_the_table() -> None:
    masses = brownian_motion._scale_masses()
    edge = masses[:4].sum() + masses[-4:].sum() + masses[:, :4].sum() + masses[:, -4:].sum()
    assert edge < 1e-6 * masses.sum()


def test_paths_follow_their_observations_and_widen_where_there_are_none() -> None:
    draws = np.asarray(brownian_motion._sample(jax.random.key(0), 4000))
    spread = draws[:, 1:31].std(0)
    assert spread[10:20].min() > 1.5 * np.median(spread[:10])
    seen = draws[:, 1:31][:, list(brownian_motion.SEEN)]
    # Smoothed towards neighbours, and still near what was seen.
    assert np.abs(seen.mean(0) - np.array(brownian_motion.OBSERVED)).max() < 0.3
    assert np.corrcoef(seen.mean(0), brownian_motion.OBSERVED)[0, 1] > 0.95


# Seeds


def test_seeds_by_hand() -> None:
    target = seeds.seeds()
    found, sites = values_at(target, 1)
    tau, b = float(sites["tau"]), sites["b"]
    other_seed, other_extract = np.array(seeds.OTHER_SEED), np.array(seeds.OTHER_EXTRACT)
    logits = sites["a0"] + sites["a1"] * other_seed + sites["a2"] * other_extract
    logits = logits + sites["a12"] * other_seed * other_extract + b
    expected = gamma.logpdf(tau, 0.01, scale=100.0) + np.log(tau)
    expected += norm.logpdf([sites[name] for name in ("a0", "a1", "a2", "a12")], 0.0, 10.0).sum()
    expected += norm.logpdf(b, 0.0, tau**-0.5).sum()
    expected += binom.logpmf(seeds.GERMINATED, seeds.SOWN, 1.0 / (1.0 + np.exp(-logits))).sum()
    assert target.dim == 26 and found == pytest.approx(expected, rel=1e-8)


def test_the_data_of_the_seeds_are_those_of_the_book() -> None:
    # Totals of the four kinds of plates, as published with the data.
    kinds = 2 * np.array(seeds.OTHER_SEED) + np.array(seeds.OTHER_EXTRACT)
    totals = [(int(np.array(seeds.GERMINATED)[kinds == kind].sum()), int((kinds == kind).sum())) for kind in range(4)]
    assert totals == [(99, 5), (201, 6), (49, 5), (75, 5)]
    assert sum(seeds.SOWN) == 831


# Label switching


def test_label_switching_by_hand_and_under_every_relabelling() -> None:
    target = label_switching.label_switching()
    found, sites = values_at(target, 2)

    def by_hand(means: np.ndarray, deviations: np.ndarray, weights: np.ndarray) -> float:
        prior = norm.logpdf(means, 0.0, 5.0).sum() + lognorm.logpdf(deviations, 0.5).sum()
        values = label_switching._values()[:, None]
        mixed = np.log((weights * norm.pdf(values, means, deviations)).sum(1)).sum()
        return float(prior + dirichlet.logpdf(weights, [2.0, 2.0, 2.0]) + mixed)

    plain = by_hand(sites["means"], sites["deviations"], sites["weights"])
    for order in map(list, permutations(range(3))):
        relabelled = by_hand(*(sites[name][order] for name in ("means", "deviations", "weights")))
        assert relabelled == pytest.approx(plain, rel=1e-12)
    # The Jacobians: of the deviations, and of the simplex, which NumPyro breaks from a stick.
    w = sites["weights"]
    volume = np.log(sites["deviations"]).sum() + np.log(w).sum()
    assert found == pytest.approx(plain + volume, rel=1e-8)


def test_every_mode_belongs_to_itself() -> None:
    facts = label_switching.label_switching().facts
    assert facts.modes is not None and facts.responsibilities is not None and facts.mode_weights is not None
    shares = np.asarray(jax.vmap(facts.responsibilities)(facts.modes))
    np.testing.assert_array_equal(shares, np.eye(6))
    np.testing.assert_allclose(facts.mode_weights, 1 / 6)


def test_the_modes_of_label_switching_are_the_laws_of_the_groups() -> None:
    target = label_switching.label_switching()
    assert target.facts.modes is not None
    sites = jax.jit(jax.vmap(target.quantities))(target.facts.modes)
    values = np.concatenate([sites["means"], sites["deviations"]], 1).astype(float)
    rows = {tuple(row) for row in np.round(values, 4).tolist()}
    assert len(rows) == 6 and (-4.0, 0.0, 5.0, 0.8, 1.2, 1.0) in rows
    np.testing.assert_allclose(np.sort(sites["weights"], 1), np.tile([0.24, 0.36, 0.40], (6, 1)), rtol=1e-4)


# The sensor network


def test_sensor_network_by_hand() -> None:
    target = sensor_network.sensor_network()
    found, sites = values_at(target, 3)
    everywhere = np.concatenate([sites["places"], np.array(sensor_network.ANCHORS)])
    measured = {(i, j): distance for i, j, distance in sensor_network.DISTANCES}
    expected = norm.logpdf(sites["places"], 0.5, 0.5).sum()
    for i in range(8):
        for j in range(i + 1, 11):
            distance = np.linalg.norm(everywhere[i] - everywhere[j])
            probability = np.exp(-(distance**2) / (2 * 0.3**2))
            if (i, j) in measured:
                expected += np.log(probability) + norm.logpdf(measured[i, j], distance, 0.02)
            else:
                expected += np.log(1.0 - probability)
    assert target.dim == 16 and found == pytest.approx(expected, rel=1e-9)


def test_the_distances_are_those_that_the_generator_gives() -> None:
    generator = np.random.default_rng(2)
    places = generator.uniform(size=(11, 2)).round(3)
    np.testing.assert_allclose(places[8:], sensor_network.ANCHORS)
    pairs = [(i, j) for i in range(11) for j in range(i + 1, 11) if i < 8]
    exact = {(i, j): float(np.linalg.norm(places[i] - places[j])) for i, j in pairs}
    errors = [distance - exact[i, j] for i, j, distance in sensor_network.DISTANCES]
    assert 0.01 < np.std(errors) < 0.035 and len(errors) == 20


def test_gradients_are_finite_where_sensors_are_close() -> None:
    target = sensor_network.sensor_network()
    point = np.tile([0.4, 0.6], 8) + 1e-5 * np.arange(16)
    assert bool(jnp.isfinite(jax.jit(jax.grad(target.log_density))(jnp.asarray(point))).all())
