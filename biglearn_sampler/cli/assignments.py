"""Options of the form NAME=VALUE, given again and again."""

from __future__ import annotations

from collections.abc import Sequence

from biglearn_sampler.errors import UserError


def assignments(option: str, texts: Sequence[str] | None) -> dict[str, str]:
    """NAME=VALUE texts as a dict.

    Arguments:
        option: as the user writes it, for messages.
        texts: what was given.

    Raises:
        UserError: no such form, or a name given twice.
    """
    form = "KEY=VALUE" if option == "--set" else "NAME=VALUE"
    found: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UserError(f"{option} takes {form}, got '{text}'")
        if name.strip() in found:
            raise UserError(f"{option} {name.strip()} is given twice")
        found[name.strip()] = value.strip()
    return found
