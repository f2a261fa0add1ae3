"""What this plugin offers. Nothing heavy is imported before it is asked for, so that listings stay quick."""

from collections.abc import Iterable
from typing import Any

import biglearn_sampler as bl


@bl.hookimpl
def biglearn_targets() -> Iterable[bl.Entry[Any]]:
    from biglearn_template.energy import my_energy

    return [bl.Entry(name="my_energy", build=my_energy, summary="two wells with a barrier between them")]


@bl.hookimpl
def biglearn_transformations() -> Iterable[bl.Entry[Any]]:
    from biglearn_template.transformation import my_transformation

    return [bl.Entry(name="my_transformation", build=my_transformation, summary="random mirrors")]


@bl.hookimpl
def biglearn_schedulers() -> Iterable[bl.Entry[Any]]:
    from biglearn_template.scheduler import my_scheduler

    return [bl.Entry(name="my_scheduler", build=my_scheduler, summary="two tasks in turns")]
