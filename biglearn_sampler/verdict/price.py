"""What a verdict asks the energy at least: all but most of its sweep and of its rounds of search."""

from __future__ import annotations

from collections.abc import Sequence

from biglearn_sampler.engine import Stepper, kinds_of_proposals
from biglearn_sampler.tasks import Task
from biglearn_sampler.verdict import basins, broad, chains, missed, own_draws, tails

LEAST_ROUNDS = 4
"""Of the search: a searcher sets out, settles and is looked at once more before its mode counts."""


def least_evaluations(stepper: Stepper, tasks: Sequence[Task]) -> int:
    """Evaluations without which there is no verdict.

    Arguments:
        stepper: asks the energy.
        tasks: that propose where to look.
    """
    gradient = stepper.price_of_gradient.total
    before = own_draws.DRAWS + basins.price(gradient) + broad.DRAWS + chains.price(gradient)
    return before + stepper.rules.sweep_points + price_of_search(stepper, tasks)


def price_of_search(stepper: Stepper, tasks: Sequence[Task]) -> int:
    """Of the least number of rounds, and of what follows them."""
    return LEAST_ROUNDS * price_of_round(stepper, tasks) + price_of_end(stepper, stepper.rules.searchers)


def price_of_round(stepper: Stepper, tasks: Sequence[Task]) -> int:
    """Of one round of the search."""
    return stepper.evaluations_of_round(len(kinds_of_proposals(stepper.dim, tasks)))


def price_of_end(stepper: Stepper, found: int) -> int:
    """Of what follows the search: fresh draws of each mode that it found, and rays."""
    return missed.CONFIRMING * found + tails.price(stepper.dim)
