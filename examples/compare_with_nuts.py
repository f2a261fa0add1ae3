"""A NumPyro model as a target, and NUTS beside the trained sampler: means in the model's own names.

A script in cells, as notebooks have them.
"""

# %%
import numpyro
import numpyro.distributions as dist

import biglearn_sampler as bl

HEIGHTS = [1.62, 1.75, 1.80, 1.58, 1.91]
WEIGHTS = [58.0, 72.0, 79.0, 55.0, 88.0]


# %% The model
def model(heights, weights):
    slope = numpyro.sample("slope", dist.Normal(50.0, 50.0))
    sigma = numpyro.sample("sigma", dist.HalfNormal(10.0))
    intercept = numpyro.sample("intercept", dist.Normal(0.0, 100.0))
    for height, weight in zip(heights, weights, strict=True):
        numpyro.factor(f"at_{height}", dist.Normal(intercept + slope * height, sigma).log_prob(weight))


# %% The sampler, and NUTS on the same energy
target = bl.from_numpyro(model, HEIGHTS, WEIGHTS)
run = bl.train(target, seed=0, baselines=[{"name": "nuts", "dense_mass": True}])
nuts = run.metrics["baselines"]["nuts"]
print("quantity    sampler            NUTS")
for name, ours in run.metrics["moments"].items():
    theirs = nuts["moments"][name]
    print(f"{name:10s} {ours['mean']:8.3f} +- {ours['mcse']:.3f}  {theirs['mean']:8.3f} +- {theirs['mcse']:.3f}")
