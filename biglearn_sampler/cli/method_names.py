"""Methods as `--with` names them: `nuts`, or with parameters `nuts(chains=8)`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.errors import UserError


def methods_named(texts: Sequence[str] | None, catalogue: Catalogue) -> list[dict[str, Any]] | None:
    """What the catalogue builds the methods from, each once; `None` if none is named.

    Arguments:
        texts: what was given, each several methods with commas between.
        catalogue: knows all of them.

    Raises:
        UserError: a text of another form.
    """
    if not texts:
        return None
    # The command line answers without jax.
    from biglearn_sampler.runs.method_specs import method_specs

    specs = [spec if isinstance(spec, dict) else {"name": spec} for spec in method_specs(list(texts), catalogue)]
    if not specs:
        raise UserError("--with takes names of baselines, with commas between; `biglearn show baselines` lists them")
    return list({repr(spec): spec for spec in specs}.values())
