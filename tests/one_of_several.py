"""One process of a run as the command line would make it, for `test_devices`: a stretch of steps, and its hash.

    python tests/one_of_several.py HOST:PORT NUMBER SIZE DEVICES [MOMENT]

With a moment, process 0 goes on with stretches, and the last process is killed before that one.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys

from biglearn_sampler.devices.meeting import Place, met
from biglearn_sampler.errors import BiglearnError


def main(coordinator: str, number: int, size: int, count: int, moment: int = 0) -> int:
    place = Place.of(coordinator, number, size)
    try:
        with met(place) as team:
            print(stretches(team, count, moment), flush=True)
    except BiglearnError as error:
        print(f"error: {error}", flush=True)
        return error.exit_status
    return 0


def stretches(team, count: int, moment: int) -> str:
    import jax
    import numpy as np

    from biglearn_sampler.devices import Devices
    from biglearn_sampler.devices.processes import Follower
    from biglearn_sampler.energy import from_numpy
    from biglearn_sampler.engine import Account, Rules, Stepper
    from biglearn_sampler.engine.population import Population
    from biglearn_sampler.engine.steps import Pace

    asked = []

    def log_density(points):
        asked.append(len(points))
        if isinstance(team, Follower) and moment and len(asked) > moment:
            os.kill(os.getpid(), signal.SIGKILL)
        return -0.5 * (points**2).sum(-1) - np.log1p(points[:, 0] ** 2)

    target = from_numpy(log_density, dim=2, scale=2.0)
    devices = Devices.of(count, 1, team)
    devices.acquaint()
    stepper = Stepper(target, Rules(round_steps=10), Account(), devices)
    if isinstance(team, Follower):
        team.follow()
        return f"asked for {sum(asked)}"
    population = Population.at(np.random.default_rng(0).standard_normal((8, 2)), 0.3)
    for stretch in range(1000 if moment else 2):
        population, _ = stepper.steps(population, jax.random.key(stretch), Pace(), "test", 64, 2)
    team.dismiss()
    return hashlib.sha256(population.means.tobytes() + population.factors.tobytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:])))
