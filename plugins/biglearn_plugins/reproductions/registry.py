"""All reproductions, in the order of the page, and finding one by name."""

from __future__ import annotations

from biglearn_plugins.reproductions.ablation import ABLATION
from biglearn_plugins.reproductions.bi_level import BI_LEVEL
from biglearn_plugins.reproductions.figure_1 import FIGURE_1
from biglearn_plugins.reproductions.figure_2 import FIGURE_2
from biglearn_plugins.reproductions.figure_3 import FIGURE_3
from biglearn_plugins.reproductions.figure_4 import FIGURE_4
from biglearn_plugins.reproductions.figure_5 import FIGURE_5
from biglearn_plugins.reproductions.figure_6 import FIGURE_6
from biglearn_plugins.reproductions.figure_7 import FIGURE_7
from biglearn_plugins.reproductions.reproduction import Reproduction
from biglearn_plugins.reproductions.traps import TRAPS
from biglearn_sampler.catalogue.problems import did_you_mean
from biglearn_sampler.errors import UserError

REPRODUCTIONS = (
    FIGURE_1,
    FIGURE_2,
    FIGURE_3,
    FIGURE_4,
    FIGURE_5,
    FIGURE_6,
    BI_LEVEL,
    FIGURE_7,
    ABLATION,
    TRAPS,
)
ALL = "all"


def reproductions_named(name: str) -> tuple[Reproduction, ...]:
    """The reproduction of a name, or all of them.

    Raises:
        UserError: there is none of that name.
    """
    found = tuple(each for each in REPRODUCTIONS if name in (each.name, ALL))
    if not found:
        names = [*(each.name for each in REPRODUCTIONS), ALL]
        raise UserError(f"there is no reproduction '{name}'{did_you_mean(name, names)} There are: {', '.join(names)}")
    return found
