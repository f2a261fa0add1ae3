"""Where jobs run: in processes of this machine, or of all machines of a Dask cluster."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Protocol, runtime_checkable

from biglearn_sampler.errors import MissingPackage, RunFailed, UserError
from biglearn_sampler.studies.job import Job
from biglearn_sampler.studies.processes import Outcome, Processes, run_elsewhere
from biglearn_sampler.studies.surroundings import Surroundings

logger = logging.getLogger(__name__)

PATIENCE = 30.0
"""Seconds in which a scheduler has to answer."""


@runtime_checkable
class Pool(Protocol):
    """Takes jobs; more of them than it can run at once wait."""

    def submit(self, job: Job) -> Future[Outcome]:
        """The outcome to come. An exception in it means that nobody could run the job; a cancelled one, any job."""
        ...


@contextmanager
def local_pool(surroundings: Surroundings, count: int) -> Iterator[Pool]:
    """So many processes on this machine; when it is left, jobs that wait are dropped and others are ended."""
    processes = Processes(surroundings)
    threads = ThreadPoolExecutor(count, "study")

    class Local:
        def submit(self, job: Job) -> Future[Outcome]:
            return threads.submit(processes.run, job)

    try:
        yield Local()
    finally:
        processes.stop()
        threads.shutdown(cancel_futures=True)
        processes.close()


@contextmanager
def dask_pool(surroundings: Surroundings, address: str) -> Iterator[Pool]:
    """The workers of a Dask scheduler; each runs jobs in processes of its own, one for each of its threads.

    A worker that dies loses the jobs that it ran, and Dask gives these to others.

    Raises:
        MissingPackage: Dask is not installed.
        UserError: no scheduler answers.
        RunFailed: it has gone before all was done.
    """
    try:
        from distributed import Client  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MissingPackage("a cluster needs Dask; run `pip install 'biglearn-sampler[cluster]'`") from error
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(
            f"no Dask scheduler answers at {address} ({error}); start one by `dask scheduler`, and give the address "
            "that it tells, as in --scheduler tcp://HOST:8786"
        ) from error
    executor = client.get_executor(pure=False)

    class OnCluster:
        def submit(self, job: Job) -> Future[Outcome]:
            if client.status != "running":
                raise CancelledError
            return executor.submit(run_elsewhere, job, surroundings)

    # What its client tells of a lost scheduler, with a traceback, is told once below.
    with _silent(logging.getLogger("distributed.client")):
        try:
            if not client.scheduler_info()["workers"]:
                logger.warning(
                    "the scheduler at %s has no workers yet; start some by `dask worker %s`", address, address
                )
            yield OnCluster()
        except CancelledError as error:
            raise RunFailed(
                f"the scheduler at {address} has gone, and with it the jobs that were not finished; start it again, by "
                "`dask scheduler`, before the study goes on"
            ) from error
        finally:
            # Whatever ended the study is worth more than that there is nobody left to say goodbye to.
            for leave in (lambda: executor.shutdown(wait=False), client.close):
                with suppress(Exception):
                    leave()


@contextmanager
def _silent(told: logging.Logger) -> Iterator[None]:
    """While this lasts a logger tells nothing but what is critical."""
    before = told.level
    told.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        told.setLevel(before)
