"""Models as users of NumPyro write them: seeded before, with noise of their own, sizes from their data, in loops."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from jax import random
from numpyro import handlers
from numpyro.contrib.control_flow import scan
from numpyro.infer import MCMC, NUTS
from numpyro.infer.util import initialize_model, potential_energy

import biglearn_sampler as bl
from biglearn_sampler.errors import TargetError


def wide(seen):
    place = numpyro.sample("place", dist.Normal(1000.0, 10.0))
    numpyro.sample("seen", dist.Normal(place, 1.0), obs=seen)


def walk():
    scan(lambda place, _: (numpyro.sample("place", dist.Normal(place, 1.0)), None), 0.0, None, length=9)


def test_a_model_that_was_seeded_before_has_the_region_of_its_prior():
    target = bl.from_numpyro(handlers.seed(wide, 0), 995.0)
    assert target.centre == pytest.approx([1000.0], abs=2.0) and target.scale == pytest.approx([10.0], rel=0.1)


@pytest.mark.parametrize("model", [walk, handlers.seed(walk, 0)], ids=["plain", "seeded"])
def test_every_step_of_a_loop_has_a_draw_of_its_own(model: Any):
    """Of a random walk the variance grows by one with every step, of equal steps it would grow as their square."""
    assert bl.from_numpyro(model).scale ** 2 == pytest.approx(np.arange(1.0, 10.0), rel=0.25)


def test_a_centre_is_kept_where_the_prior_has_no_width():
    def nearly_known():
        numpyro.sample("place", dist.Normal(1000.0, 1e-9))

    target = bl.from_numpyro(nearly_known)
    assert (float(target.centre[0]), float(target.scale[0])) == (1000.0, 1.0)


def test_improper_priors_in_a_loop_have_a_coordinate_for_every_step():
    def states():
        def step(_, seen):
            state = numpyro.sample("state", dist.ImproperUniform(dist.constraints.positive, (), ()))
            numpyro.sample("seen", dist.Normal(state, 1.0), obs=seen)
            return state, None

        scan(step, 0.0, np.arange(4.0))

    target = bl.from_numpyro(states)
    point = jnp.array([0.1, -0.2, 0.3, 0.4])
    assert target.dim == 4
    assert float(target.log_density(point)) == pytest.approx(-float(potential_energy(states, (), {}, {"state": point})))


def test_noise_of_a_model_is_that_of_the_kernels_of_numpyro():
    def noisy():
        place = numpyro.sample("place", dist.Normal())
        key: Any = numpyro.prng_key()
        numpyro.sample("seen", dist.Normal(place + random.normal(key), 1.0), obs=1.0)

    theirs = initialize_model(random.key(3), noisy).potential_fn
    target = bl.from_numpyro(noisy)
    for place in (0.0, 1.5):
        assert float(target.log_density(jnp.array([place]))) == pytest.approx(
            -float(theirs({"place": place})), rel=1e-5
        )
    assert target.observed()["seen"] == 1.0


def test_a_law_whose_draws_take_a_missing_package_is_a_target(monkeypatch):
    def no_package(*_: Any, **__: Any):
        raise ImportError("no module named tensorflow_probability")

    monkeypatch.setattr(dist.Gumbel, "sample", no_package)

    def model():
        numpyro.sample("place", dist.Gumbel(3.0, 2.0))

    target = bl.from_numpyro(model)
    assert float(target.log_density(jnp.zeros(1))) == pytest.approx(
        float(dist.Gumbel(3.0, 2.0).log_prob(0.0)), rel=1e-5
    )
    assert bl.from_numpyro(dist.Gumbel(3.0, 2.0)).facts.log_z is None


def test_a_target_is_named_after_what_it_was_made_of():
    for model in (walk, handlers.seed(walk, 0)):
        assert bl.from_numpyro(model).source_name == f"{__name__}:walk"
    assert bl.from_numpyro(dist.Gamma(2.0, 1.0)).source_name == "numpyro.distributions.continuous:Gamma"
    assert bl.target(partial(jnp.dot, jnp.ones(2)), dim=2, scale=1.0).source_name.endswith(":dot")


# what a model does with its data while it is compiled


def grouped(codes, seen):
    with numpyro.plate("groups", len(np.unique(codes))):
        level: Any = numpyro.sample("level", dist.Normal(0.0, 3.0))
    numpyro.sample("seen", dist.Normal(level[codes], 1.0), obs=seen)


def deciding(codes, seen):
    scale = 1.0 if (codes >= 0).all() else 2.0
    level: Any = numpyro.sample("level", dist.Normal(jnp.zeros(int(codes.max()) + 1), 3.0))
    numpyro.sample("seen", dist.Normal(level[codes], scale), obs=seen)


@pytest.mark.parametrize("model", [grouped, deciding])
@pytest.mark.parametrize("as_array", [np.asarray, jnp.asarray])
def test_a_model_may_look_at_its_data(model: Any, as_array: Any):
    codes, seen = np.array([0, 0, 1, 1]), np.array([1.0, 2.0, -1.0, 0.0])
    target = bl.from_numpyro(model, as_array(codes), as_array(seen))
    compiled = jax.jit(lambda target, point: target.log_density(point))
    level = np.array([0.5, -0.5])
    expected = dist.Normal(0.0, 3.0).log_prob(level).sum() + dist.Normal(level[codes], 1.0).log_prob(seen).sum()
    assert float(compiled(target, jnp.asarray(level))) == pytest.approx(float(expected), rel=1e-5)
    assert (target.observed()["seen"] == seen).all() and list(target.quantities(jnp.zeros(2))) == ["level"]


def test_a_model_that_decides_by_a_latent_value_is_told():
    def branching():
        place: Any = numpyro.sample("place", dist.Normal())
        numpyro.sample("seen", dist.Normal(place, 1.0 if place > 0 else 2.0), obs=1.0)

    with pytest.raises(TargetError, match="the model decides by the value of a latent site, by an `if` or for a size"):
        bl.from_numpyro(branching)


# distributions of one's own


class Parabola(dist.Distribution):
    support = dist.constraints.real  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]
    top = 0.0

    def __init__(self, top):
        self.top = top
        super().__init__()

    def log_prob(self, value, intermediates=None):
        return -0.5 * (value - self.top) ** 2

    def sample(self, key: Any, sample_shape=()):
        return self.top + random.normal(key, sample_shape)


@pytest.mark.parametrize("law", [Parabola(5.0), Parabola(5.0).expand([2]), Parabola(5.0).expand([2]).to_event(1)])
def test_a_distribution_of_ones_own_keeps_its_attributes(law: Any):
    target = bl.from_numpyro(law)
    assert float(target.log_density(jnp.full(target.dim, 5.0))) == 0.0
    assert target.centre == pytest.approx(np.full(target.dim, 5.0), abs=0.1)


# keys of both kinds


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"num_chains": 2, "chain_method": "vectorized"}])
def test_jumps_take_keys_of_both_kinds_alike(options: dict[str, Any]):
    def bowl(z):
        return 0.5 * (z**2).sum()

    def drawn(key: Any) -> list[np.ndarray]:
        kernel = bl.JumpKernel(bl.GaussianMixture.of(np.zeros((1, 2)), 1.5), NUTS(potential_fn=bowl))
        mcmc = MCMC(kernel, num_warmup=20, num_samples=30, progress_bar=False, **options)
        start = jnp.zeros((mcmc.num_chains, 2)) if mcmc.num_chains > 1 else jnp.zeros(2)
        mcmc.run(key, init_params=start)
        first = np.asarray(mcmc.get_samples())
        mcmc.post_warmup_state = mcmc.last_state
        mcmc.run(key)
        return [first, np.asarray(mcmc.get_samples())]

    new, old = drawn(random.key(3)), drawn(random.PRNGKey(3))
    assert all((ours == theirs).all() for ours, theirs in zip(new, old, strict=True))
    assert len(np.unique(new[0], axis=0)) > 20
