"""What four devices give, as JSON; `test_devices` has it run in a process whose CPU is divided into four."""

from __future__ import annotations

import hashlib
import json
import sys
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from biglearn_plugins.transformations.orthogonal import Orthogonal
from biglearn_sampler.devices import ONE_DEVICE, Devices
from biglearn_sampler.energy.function_target import function_target
from biglearn_sampler.engine import Account, Rules, Stepper
from biglearn_sampler.engine.population import Population
from biglearn_sampler.engine.steps import Pace, joint_steps
from biglearn_sampler.errors import SettingsError
from biglearn_sampler.estimators import choose_estimators
from biglearn_sampler.learning import Matching
from biglearn_sampler.mixture import unconstrain
from biglearn_sampler.tasks import Task

DIM = 3
TARGET = function_target(lambda x: -0.5 * (x**2).sum() - jnp.log1p(x[0] ** 2), dim=DIM, scale=2.0)


def main() -> None:
    told = {"answers": answers(), "stretches": stretches(), "gradients": gradients(), "refused": refused()}
    json.dump({**told, **divided_components()}, sys.stdout)


def refused() -> list[str | None]:
    """What is said of numbers of components that two parts can, and cannot, be made of."""

    def said(components: int) -> str | None:
        try:
            Rules(most_components=components).check_memory(DIM, Devices.of(4, 2))
        except SettingsError as error:
            return str(error)
        return None

    return [said(64), said(63)]


def answers() -> list[bool]:
    """Whether all points get their own answer, on any number of devices, also where it does not divide theirs."""
    ask = jax.vmap(jax.value_and_grad(TARGET.log_density))
    right = []
    for devices in (Devices.of(2), Devices.of(3), Devices.of(4), Devices.of(4, 2)):
        asked = jax.jit(devices.asked(ask), out_shardings=devices.everywhere)
        for count in (1, 5, 8):
            points = jnp.asarray(np.random.default_rng(count).standard_normal((count, DIM)), float)
            pairs = zip(jax.jit(ask)(points), asked(points), strict=True)
            right.append(all(np.allclose(one, other, rtol=1e-6) for one, other in pairs))
    return right


def population(components: int) -> Population:
    """Components anywhere."""
    return Population.at(np.random.default_rng(0).standard_normal((components, DIM)), 0.3)


def stretches() -> list[str]:
    """A hash for the components after a stretch of steps, by devices."""
    hashes = []
    for devices in (Devices.of(2), Devices.of(4)):
        stepper = Stepper(TARGET, Rules(round_steps=10), Account(), devices)
        after, _ = stepper.steps(population(32), jax.random.key(1), Pace(weight_rate=0.2), "test", 512, 2)
        content = b"".join(array.tobytes() for array in (after.means, after.factors, after.log_weights))
        hashes.append(hashlib.sha256(content).hexdigest())
    return hashes


def gradients() -> float:
    """By how much the gradient of a task on four devices differs from that on one, relative to its size.

    A sum over devices that is taken twice, or not at all, would show as a factor.
    """
    task = Task("conditional", "conditional", Orthogonal(), size=2)
    (estimator,) = choose_estimators([task], TARGET, "energy", 16, 4.0)
    channel = task.draw(jax.random.key(2), jnp.zeros(()), DIM)

    def gradient(devices: Devices) -> np.ndarray:
        matching = Matching(task, estimator, TARGET.centre, TARGET.scale, 3, devices)
        parameters = unconstrain(population(5).mixture())
        told = jax.jit(matching.gradient)(parameters, channel, jax.random.key(3), jnp.ones(()))
        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(told.gradient)])

    one, four = gradient(ONE_DEVICE), gradient(Devices.of(4))
    return float(np.abs(one - four).max() / np.abs(one).max())


def divided_components() -> dict[str, float]:
    """Components on four devices against whole ones: the largest difference after two steps, and memory of a device."""
    rules, components = Rules(), 1024
    arguments = (population(components).mixture(), jax.random.key(4), Pace())
    after, memory = [], []
    for devices in (Devices.of(4), Devices.of(4, 4)):
        ask = devices.asked(jax.vmap(jax.value_and_grad(TARGET.log_density)))
        steps = partial(joint_steps, ask, rules, count=2, window=2, fresh_points=1, placed=devices.by_component)
        compiled = jax.jit(steps, out_shardings=devices.everywhere).lower(*arguments).compile()
        needed: Any = compiled.memory_analysis()
        memory.append(needed.temp_size_in_bytes)
        after.append(compiled(*arguments)[0])
    pairs = zip(jax.tree.leaves(after[0]), jax.tree.leaves(after[1]), strict=True)
    return {"difference": float(max(abs(one - other).max() for one, other in pairs)), "share": memory[1] / memory[0]}


if __name__ == "__main__":
    main()
