"""A study on a cluster: what is lost with its scheduler, and what is not."""

from __future__ import annotations

import json
import logging
import sys
import weakref
from concurrent.futures import Future
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest

import biglearn_sampler as bl
from biglearn_sampler.comparison import Trial
from biglearn_sampler.errors import RunFailed
from biglearn_sampler.evaluation import Draws
from biglearn_sampler.studies import sweep
from biglearn_sampler.studies.processes import Outcome
from biglearn_sampler.studies.sweep import planned

SWEEP = import_module("biglearn_sampler.studies.sweep")
STUDY = {"targets": ["two_modes"], "methods": ["nuts"], "seeds": 4, "budget": 1_000}
ADDRESS = "tcp://10.0.0.1:8786"


def finished(job) -> Outcome:
    draws = Draws(np.zeros((2, 2)), np.zeros(2))
    figures = {"elbo": 0.5, "energy_evaluations": 0, "gradient_evaluations": 7}
    return Outcome(Trial(job.method, job.seed, figures, (), draws), "here", 0.1)


@pytest.fixture
def lost(monkeypatch):
    """A Dask whose scheduler goes after two jobs, as its client takes it: the jobs that were submitted."""
    submitted = []

    class Client:
        status = "running"

        def __init__(self, address, **_):
            self.address = address

        def scheduler_info(self):
            return {"workers": {"one": {}}}

        def get_executor(self, **_):
            return SimpleNamespace(submit=self.submit, shutdown=self.gone)

        def submit(self, _, job, __):
            submitted.append(job)
            future: Future[Outcome] = Future()
            if len(submitted) in (2, 4):
                future.set_result(finished(job))
            else:
                future.cancel()
                future.set_running_or_notify_cancel()
            return future

        def gone(self, **_):
            logging.getLogger("distributed.client").error("a long story")
            raise RuntimeError("Client is closed. Can't send cancel-keys message.")

        close = gone

    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(Client=Client))
    return submitted


def test_a_scheduler_that_goes_ends_the_study(lost, tmp_path, caplog):
    """Nothing is tried again, nothing that is not over is on disk, and all that is over is."""
    folder = tmp_path / "study"
    with pytest.raises(RunFailed, match=f"the scheduler at {ADDRESS} has gone, and with it the jobs .* start it again"):
        sweep(STUDY, out=folder, scheduler=ADDRESS, retries=2)
    assert len(lost) == 4
    assert sorted(file.stem for file in (folder / "jobs").glob("*.json")) == sorted([lost[1].name, lost[3].name])
    assert json.loads((folder / "study.json").read_text())["status"] == "interrupted"
    assert "--resume goes on" in caplog.text and "a long story" not in caplog.text and "tried again" not in caplog.text


def test_an_interruption_is_not_hidden_by_a_scheduler_that_has_gone(lost):
    class Interrupting:
        def jobs_known(self, total, finished):
            raise KeyboardInterrupt

        def job_finished(self, job, outcome):
            pass

    before = logging.getLogger("distributed.client").level
    with pytest.raises(KeyboardInterrupt):
        sweep(STUDY, scheduler=ADDRESS, watcher=Interrupting())
    assert logging.getLogger("distributed.client").level == before


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
