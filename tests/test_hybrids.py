"""What a trained mixture is good for besides its own draws: importance resampling, and jumps of chains."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.infer import HMC, MCMC, NUTS, SA

import biglearn_sampler as bl
from biglearn_sampler import GaussianMixture, JumpKernel, MixtureTarget, resample
from biglearn_sampler.energy import function_target
from biglearn_sampler.errors import RunFailed, UserError
from biglearn_sampler.evaluation.importance import effective_count
from biglearn_sampler.evaluation.resampling import systematic

# Twenty deviations apart; the proposals have other masses, widths and places than the target.
TARGET = GaussianMixture.of(
    [[-10.0, 0.0], [10.0, 1.0]], [[[1.0, 0.3], [0.3, 1.0]], [[1.0, 0.0], [0.0, 0.25]]], [0.2, 0.8]
)
WRONG = GaussianMixture.of([[-9.5, 0.0], [10.0, 0.7]], 1.5)


def energy(point):
    return -TARGET.log_density(point)


def short_trajectories(potential, steps: int) -> HMC:
    return HMC(potential_fn=potential, num_steps=steps, step_size=0.7, adapt_step_size=False)


def run(kernel, chains: int, **options) -> MCMC:
    mcmc = MCMC(
        kernel,
        num_warmup=150,
        num_samples=1000,
        num_chains=chains,
        chain_method="vectorized" if chains > 1 else "sequential",
        progress_bar=False,
    )
    mcmc.run(jax.random.key(0), **options)
    return mcmc


def test_jumps_give_modes_their_masses():
    chains = 4
    mcmc = run(
        JumpKernel(WRONG, short_trajectories(energy, 3)),
        chains,
        init_params=jnp.tile(jnp.array([-10.0, 0.0]), (chains, 1)),
        extra_fields=("inner.num_steps", "jump_prob", "inner.potential_energy"),
    )
    points = np.asarray(mcmc.get_samples(group_by_chain=True), float).reshape(chains, -1, 2)
    right = points[..., 0] > 0
    truths = {"mass": (right, 0.8), "mean": (points[..., 1], 0.8), "square": (points[..., 1] ** 2, 0.2 + 0.8 * 1.25)}
    for values, truth in truths.values():
        values = values.astype(float)
        error = values.std() / np.sqrt(effective_count(values))
        assert abs(values.mean() - truth) < 4.0 * error < 0.4 * truth
    extra = mcmc.get_extra_fields()
    assert (extra["inner.num_steps"] == 3).all() and 0.2 < extra["jump_prob"].mean() < 0.9
    # A second run goes on from the first, with whatever key.
    mcmc.post_warmup_state = mcmc.last_state
    mcmc.run(jax.random.key(7))
    other = np.asarray(mcmc.get_samples(group_by_chain=True))
    assert (other[:, -1] != points[:, -1]).all()
    assert (other[:, :, 0] > 0).mean() == pytest.approx(0.8, abs=0.1)
    # The inner kernel goes on from where the chain jumped, with the energy of that place.
    flat = points.reshape(-1, 2)
    np.testing.assert_allclose(extra["inner.potential_energy"], jax.vmap(energy)(jnp.asarray(flat)), atol=1e-3)


def test_without_jumps_the_inner_kernel_stays_in_its_mode():
    mcmc = run(short_trajectories(energy, 3), 1, init_params=jnp.array([-10.0, 0.0]))
    assert (np.asarray(mcmc.get_samples())[:, 0] < 0).all()


FAR = GaussianMixture.of(np.full((1, 3), 1e5), 1e-3 * np.eye(3) + 0.999)


def far_energy(point):
    """Of the same law, differences first, up to a constant."""
    return 0.5 * jnp.square(jnp.linalg.inv(FAR.factors[0]) @ (point - FAR.means[0])).sum()


def test_far_from_zero_jumps_of_the_target_itself_are_all_taken():
    """Some were not, as densities of proposals had lost their digits."""
    kernel = JumpKernel(FAR, HMC(potential_fn=far_energy, num_steps=1, step_size=0.01, adapt_step_size=False))
    mcmc = MCMC(kernel, num_warmup=0, num_samples=200, progress_bar=False)
    mcmc.run(jax.random.key(0), init_params=FAR.means[0], extra_fields=("jump_prob",))
    np.testing.assert_allclose(mcmc.get_extra_fields()["jump_prob"], 1.0, atol=1e-3)


def test_a_model_with_constrained_sites():
    def model(observed):
        rate = numpyro.sample("rate", dist.Gamma(3.0, 2.0))
        numpyro.sample("count", dist.Poisson(rate), obs=observed)

    # Gamma(3 + 4, 2 + 1) after a count of 4; the chain moves in log(rate).
    mcmc = run(JumpKernel(GaussianMixture.of([[0.8]], 0.2), NUTS(model), jumps=2), 1, observed=jnp.array(4.0))
    rates = np.asarray(mcmc.get_samples()["rate"], float)[None]
    assert abs(rates.mean() - 7.0 / 3.0) < 4.0 * rates.std() / np.sqrt(effective_count(rates))


def test_a_chain_leaves_a_point_of_density_zero_and_jumps_to_none():
    def half_energy(point):
        return jnp.where(point[0] > 0, point[0], jnp.nan)

    kernel = JumpKernel(GaussianMixture.of([[0.0]], 4.0), short_trajectories(half_energy, 2), jumps=4)
    points = np.asarray(run(kernel, 1, init_params=jnp.array([-3.0])).get_samples(), float)[None, :, 0]
    assert (points > 0).all()
    assert abs(points.mean() - 1.0) < 4.0 * points.std() / np.sqrt(effective_count(points)) < 0.4


def test_a_jump_costs_an_energy_and_a_gradient():
    calls = []

    def counted(point):
        jax.debug.callback(lambda _: calls.append(None), point)
        return energy(point)

    kernel = JumpKernel(WRONG, short_trajectories(counted, 3), jumps=2)
    state = kernel.init(jax.random.key(0), 0, jnp.array([-10.0, 0.0]), (), {})
    jax.effects_barrier()
    calls.clear()
    jax.block_until_ready(kernel.sample(state, (), {}))
    jax.effects_barrier()
    assert len(calls) == 3 + 2 + 1


def test_wrong_kernels_are_told():
    with pytest.raises(UserError, match="the inner kernel must be HMC or NUTS of NumPyro, got SA"):
        JumpKernel(WRONG, SA(potential_fn=energy))
    with pytest.raises(UserError, match="jumps must be at least 1, got 0"):
        JumpKernel(WRONG, NUTS(potential_fn=energy), jumps=0)
    with pytest.raises(UserError, match="the mixture has 2 coordinates, and the points of the chain 3"):
        JumpKernel(WRONG, HMC(potential_fn=lambda z: (z**2).sum())).init(jax.random.key(0), 0, jnp.zeros(3), (), {})


def test_resampled_draws_have_the_moments_of_the_target():
    target = MixtureTarget.of(TARGET, scale=10.0)
    found = resample(WRONG, target, jax.random.key(1), 4000)
    assert found.points.shape == (4000, 2) and found.evaluations == (40_000, 0, 0)
    # 40,000 candidates of an effective size of a half or so, and 4,000 draws without further noise in the masses.
    assert found.ess > 0.3 and found.khat is not None and found.khat < 0.7
    assert (found.points[:, 0] > 0).mean() == pytest.approx(0.8, abs=4.0 * 0.4 / np.sqrt(40_000 * 0.3))
    assert found.points[:, 1].mean() == pytest.approx(0.8, abs=4.0 * 0.7 / np.sqrt(4000))
    assert found.log_z.value is not None and found.log_z.standard_error is not None
    assert abs(found.log_z.value) < 4.0 * found.log_z.standard_error < 0.1
    few = resample(WRONG, target, jax.random.key(1), 4000, candidates=4000)
    assert len(np.unique(few.points, axis=0)) == few.distinct < 3500
    again = resample(WRONG, target, jax.random.key(1), 4000)
    np.testing.assert_array_equal(found.points, again.points)


def test_the_error_of_log_z_of_resampled_draws_has_the_rounding_of_large_energies():
    target = bl.target(lambda x: -1e5 - 0.5 * (x**2).sum(), dim=2, scale=1.0)
    found = resample(GaussianMixture.of(np.zeros((1, 2)), 1.0), target, jax.random.key(0), 400)
    error = found.log_z.standard_error
    assert error is not None
    assert found.log_z.value == pytest.approx(np.log(2.0 * np.pi) - 1e5, abs=4.0 * error) and error < 0.01
    assert found.khat is None  # all weights are alike, to rounding


def test_far_from_zero_log_z_is_that_of_the_target():
    """It was 0.025 off."""
    constant = float(jnp.log(jnp.diagonal(FAR.factors[0])).sum() + 1.5 * jnp.log(2.0 * jnp.pi))
    target = function_target(lambda x: -far_energy(x) - constant, dim=3, centre=1e5, scale=2.0)
    found = resample(FAR, target, jax.random.key(0), 400)
    assert found.log_z.value == pytest.approx(0.0, abs=1e-4)
    assert found.ess == pytest.approx(1.0, abs=1e-4)


def test_a_mixture_that_is_the_target_loses_no_candidate():
    found = resample(TARGET, MixtureTarget.of(TARGET, scale=10.0), jax.random.key(0), 100, candidates=100)
    assert found.distinct == 100 and found.ess == pytest.approx(1.0) and found.khat is None
    assert found.log_z.value == pytest.approx(0.0, abs=1e-5)


def test_systematic_choice():
    chosen = systematic(np.array([0.5, 0.0, 0.3, 0.2]), 10, 0.5)
    assert np.bincount(chosen, minlength=4).tolist() == [5, 0, 3, 2]


def test_resampling_says_what_it_cannot_do():
    nowhere = function_target(lambda x: jnp.where(x.sum() < 1e6, -jnp.inf, 0.0), dim=2, scale=1.0)
    with pytest.raises(RunFailed, match="density zero at all 20 candidates"):
        resample(WRONG, nowhere, jax.random.key(0), 2)
    with pytest.raises(UserError, match="expected at least 1 draw from at least 2 candidates, got 0 from 0"):
        resample(WRONG, nowhere, jax.random.key(0), 0)


def test_resampling_checks_what_it_is_given(unchecked_types):
    sampler, plane = GaussianMixture.of(np.zeros((1, 3)), 1.0), function_target(normal_density, dim=2, scale=1.0)
    with pytest.raises(UserError, match="the sampler has 3 coordinates, and the target has 2"):
        resample(sampler, plane, jax.random.key(0), 100)
    with pytest.raises(UserError, match="resample takes a target, got function"):
        resample(sampler, normal_density, jax.random.key(0), 100)  # pyright: ignore[reportArgumentType]
    space = function_target(normal_density, dim=3, scale=1.0)
    with pytest.raises(ValueError, match="the number of draws must be a whole number"):
        resample(sampler, space, jax.random.key(0), "10")  # pyright: ignore[reportArgumentType]
    by_seed, by_key = (resample(sampler, space, key, 10) for key in (0, jax.random.key(0)))
    np.testing.assert_array_equal(by_seed.points, by_key.points)


def normal_density(point):
    return -0.5 * jnp.sum(point**2)
