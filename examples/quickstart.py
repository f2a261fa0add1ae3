"""Train on an energy of your own, and look at what came out: the example of the README."""

import jax
import jax.numpy as jnp

import biglearn_sampler as bl


def log_density(x):  # one point of shape (2,), a scalar back; no normalisation needed
    return jnp.logaddexp(-8.0 * jnp.sum((x - 2.0) ** 2), -2.0 * jnp.sum((x + 2.0) ** 2))


target = bl.target(log_density, dim=2, scale=4.0)
run = bl.train(target, seed=0)
draws = run.sampler.sample(jax.random.key(1), 1000)
print("log Z", run.metrics["log_z"], "+-", run.metrics["standard_errors"]["log_z"])
print("share of the wide mode", float((draws[:, 0] < 0).mean()), "(exact 0.8)")
