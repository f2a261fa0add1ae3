"""A Stan model as an energy, through PyStan (`pip install 'biglearn-sampler[stan]'`, and a C++ compiler).

Stan computes gradients only in the thread that loaded it, and compiled code asks for them from any thread. So the model
lives in a process of its own, and whole batches go there.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np

import biglearn_sampler as bl

PROGRAM = """
data { int<lower=1> count; vector[count] y; }
parameters { real location; real<lower=0> deviation; }
model { location ~ normal(0, 10); deviation ~ cauchy(0, 5); y ~ normal(location, deviation); }
"""
DATA = {"count": 8, "y": [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0]}


def load() -> None:
    """Compile the model, or take it from the cache of PyStan; in the process of the model."""
    import stan  # pyright: ignore[reportMissingImports]
    from httpstan.models import import_services_extension_module  # pyright: ignore[reportMissingImports]

    global model, compiled
    model = stan.build(PROGRAM, data=DATA)
    compiled = import_services_extension_module(model.model_name)  # what PyStan itself asks, once for every point


def log_density_there(points):
    """With the log determinant of Stan's own map to unconstrained coordinates."""
    return np.array([compiled.log_prob(model.data, point, True) for point in points.tolist()])


def value_and_gradient_there(points):
    gradients = [compiled.log_prob_grad(model.data, point, True) for point in points.tolist()]
    return log_density_there(points), np.array(gradients)


def quantities_there(points):
    """The parameters in their own units, by Stan's names."""
    rows = np.array([compiled.write_array(model.data, point, True, True) for point in points.tolist()])
    return {name: rows[:, column] for column, name in enumerate(model.constrained_param_names)}


def stan_target(process):
    def asked(function, points):
        return process.submit(function, points).result()

    return bl.from_numpy(
        partial(asked, log_density_there),
        value_and_gradient=partial(asked, value_and_gradient_there),
        quantities=partial(asked, quantities_there),
        dim=2,
        scale=[10.0, 3.0],
    )


if __name__ == "__main__":
    # A fork of a process in which jax has threads might hang, so the process starts afresh.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=load) as process:
        run = bl.train(stan_target(process), seed=0)
    for name, figures in run.metrics["moments"].items():
        print(f"{name:10s} {figures['mean']:.3f} +- {figures['mcse']:.3f}, deviation {figures['sd']:.3f}")
    print(run.metrics["verdict"]["sentence"])
