"""Posteriors of posteriordb: NumPyro twins of its Stan models, on its own data, beside its reference draws."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from biglearn_sampler.bridges import NumpyroTarget, from_numpyro
from biglearn_sampler.catalogue import Entry
from biglearn_sampler.energy import Facts
from biglearn_targets.posteriordb.database import Database
from biglearn_targets.posteriordb.reference import reference_moments
from biglearn_targets.posteriordb.twins import TWINS


def posteriordb(
    posterior: Annotated[
        str, "name of a posterior whose Stan model has a twin here, as kidiq-kidscore_momiq"
    ] = "eight_schools-eight_schools_noncentered",
    posteriordb: Annotated[str | None, "folder of a copy of posteriordb; also the setting data.posteriordb"] = None,
) -> NumpyroTarget:
    """A posterior of the database, with `facts.reference` where the database has reference draws.

    `log_density` has the priors and the likelihood of the Stan program, with their constants, in the unconstrained
    coordinates of NumPyro. Numbers are counted from zero: `beta[1]` of Stan is `beta[0]` here.

    Arguments:
        posterior: any whose model is in `twins.TWINS`, whatever its data.
        posteriordb: the checkout, or the folder `posterior_database` in it. Its files stay where they are.

    Raises:
        MissingData: no folder is given, or a file of the posterior is not in it.
        ValueError: the model has no twin here, or a file is not what the database says it is.
    """
    database = Database.at(posteriordb)
    about = database.posterior(posterior)
    if about.model not in TWINS:
        raise ValueError(
            f"the Stan model '{about.model}' of '{posterior}' has no NumPyro twin here; there are twins of "
            f"{', '.join(TWINS)}"
        )
    data = database.data(about)
    try:
        twin = TWINS[about.model](data)
    except (KeyError, TypeError) as error:
        raise ValueError(f"the data '{about.data}' are not those of the model '{about.model}': {error!r}") from error
    draws = database.reference_draws(about)
    target = from_numpyro(twin.model, centre=twin.centre, scale=twin.scale, **twin.arguments)
    return target if draws is None else replace(target, known=Facts(reference=reference_moments(draws)))


ENTRIES = (
    Entry(
        name="posteriordb",
        build=posteriordb,
        summary="a posterior of posteriordb, as a NumPyro model on the database's own data",
        reference="Magnusson, Torgander, Bürkner, Zhang, Carpenter, Vehtari (2025): posteriordb: Testing, benchmarking "
        "and developing Bayesian inference algorithms, AISTATS",
        argument="posterior",
    ),
)
