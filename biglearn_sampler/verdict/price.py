"""What a verdict asks the energy at least: all but most of its sweep and of its rounds of search."""

from __future__ import annotations

from biglearn_sampler.engine import Rules
from biglearn_sampler.verdict import basins, broad, chains, missed, own_draws, tails

LEAST_ROUNDS = 4
"""Of the search, or a little less where it finds much: a searcher sets out, settles and is looked at once more before
its mode counts."""


def least_evaluations(rules: Rules, dim: int, kinds: int, gradient: int) -> int:
    """Evaluations without which there is no verdict.

    Arguments:
        rules: of the search.
        dim: number of coordinates.
        kinds: of proposals.
        gradient: evaluations that a gradient costs.
    """
    looks = own_draws.DRAWS + basins.price(gradient) + broad.LEAST_DRAWS + chains.price(gradient)
    # What is not explained is asked for twice.
    swept = 2 * rules.sweep_points + own_draws.DRAWS + chains.CHAINS + broad.LEAST_DRAWS
    return looks + swept + price_of_search(rules, dim, kinds, gradient)


def price_of_search(rules: Rules, dim: int, kinds: int, gradient: int) -> int:
    """Of the least number of rounds, of setting out after the sweep, and of what follows the search."""
    round_price = rules.evaluations_of_round(kinds, gradient)
    setting_out = round_price - rules.least_evaluations(gradient)
    return LEAST_ROUNDS * round_price + setting_out + price_of_end(dim, rules.searchers)


def price_of_end(dim: int, found: int) -> int:
    """Of what follows the search: fresh draws of each mode that it found, and rays."""
    return missed.CONFIRMING * found + tails.price(dim)
