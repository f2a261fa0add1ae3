"""What one training step costs in a compiled chunk, against the same step dispatched from Python one at a time.

    python benchmarks/step_cost.py

Both are timed in turn in one process, several times; the table has ratios of the fastest times.
"""

from __future__ import annotations

from typing import Any

import jax
from report import write_table
from timing import fastest

import biglearn_sampler as bl
from biglearn_sampler.runs.plan import make_plan
from biglearn_sampler.runs.read_settings import read_settings

CHUNK = 1000


def main() -> None:
    catalogue = bl.Catalogue()
    rows = [_row(target, settings, catalogue) for target, settings in (("grid25", "paper"), ("eight_schools", None))]
    write_table(
        "step_cost",
        "Cost of a training step",
        "python benchmarks/step_cost.py",
        ("target", "settings", "chunk, us per step", "not compiled, ratio", "compiled step by step, ratio"),
        rows,
        "`not compiled` runs every operation of the step from Python; `compiled step by step` calls the compiled step "
        "once for each step.",
    )


def _row(target: str, settings: str | None, catalogue: bl.Catalogue) -> list[str]:
    plan = make_plan(target, read_settings(settings, {}, catalogue), (), 0, catalogue, {})
    training, keys = plan.training(), plan.train_keys()
    state = plan.begin(training)
    drawn = training.scheduler.draw(keys.tasks, state.step, training.steps)
    chunk = jax.jit(lambda state: training.chunk(state, keys, CHUNK))
    step = jax.jit(lambda state: training.step(state, drawn, keys.points))

    def one_by_one(state: Any) -> Any:
        for _ in range(100):
            state, _ = step(state)
        return state

    def uncompiled(state: Any) -> Any:
        with jax.disable_jit():
            return training.step(state, drawn, keys.points)

    in_chunk = fastest(lambda: chunk(state)) / CHUNK
    singly = fastest(lambda: one_by_one(state)) / 100
    from_python = fastest(lambda: uncompiled(state))
    return [
        target,
        settings or "defaults",
        f"{in_chunk * 1e6:.0f}",
        f"{from_python / in_chunk:,.0f}",
        f"{singly / in_chunk:.1f}",
    ]


if __name__ == "__main__":
    main()
