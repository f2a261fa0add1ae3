"""A study on a cluster: what is not run twice."""

from __future__ import annotations

import weakref
from concurrent.futures import Future
from importlib import import_module

import numpy as np

import biglearn_sampler as bl
from biglearn_sampler.comparison import Trial
from biglearn_sampler.evaluation import Draws
from biglearn_sampler.studies.processes import Outcome
from biglearn_sampler.studies.sweep import planned

SWEEP = import_module("biglearn_sampler.studies.sweep")
STUDY = {"targets": ["two_modes"], "methods": ["nuts"], "seeds": 4, "budget": 1_000}


def finished(job) -> Outcome:
    draws = Draws(np.zeros((2, 2)), np.zeros(2))
    figures = {"elbo": 0.5, "energy_evaluations": 0, "gradient_evaluations": 7}
    return Outcome(Trial(job.method, job.seed, figures, (), draws), "here", 0.1)


def test_nobody_holds_what_a_finished_job_was():
    """Else Dask would run it once more, when the worker dies that ran it."""
    held = weakref.WeakSet()

    class Pool:
        def submit(self, job):
            future: Future[Outcome] = Future()
            future.set_result(finished(job))
            held.add(future)
            return future

    jobs = [cell.job for cell in planned(STUDY, bl.Catalogue())]
    left = []
    for _ in SWEEP._outcomes(Pool(), jobs, 1):
        left.append(len(held))
    assert left == [3, 2, 1, 0]
