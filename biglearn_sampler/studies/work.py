"""The inside of a working process: jobs come in, trials go out; the caller is another process on the same machine.

    python -m biglearn_sampler.studies.work

Standard input brings the module path and the surroundings, and then jobs; standard output takes a trial for each. Both
are pipes of the process that started this one, never files.
"""

from __future__ import annotations

import os
import pickle
import queue
import sys
import threading
from functools import lru_cache
from typing import Any

from biglearn_sampler.comparison import Trial
from biglearn_sampler.studies.job import Job
from biglearn_sampler.studies.surroundings import MODULE_PATH, Surroundings


def main() -> None:
    """Work until no more jobs come; end at once when the caller is gone."""
    answers = os.fdopen(os.dup(1), "wb")
    # A plugin that prints must not print into the answers.
    os.dup2(2, 1)
    jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    sys.path[:], path = jobs.get()
    _restore_environment(path)
    surroundings: Surroundings = jobs.get()
    while True:
        pickle.dump(work(jobs.get(), surroundings), answers)
        answers.flush()


def _restore_environment(path: str | None) -> None:
    """Give the programs that a job starts what the study has in its environment: they may be of another Python."""
    os.environ.pop(MODULE_PATH, None)
    if path is not None:
        os.environ[MODULE_PATH] = path


def work(job: Job, surroundings: Surroundings) -> Trial:
    """The trial of a job; whatever goes wrong is its reason."""
    from biglearn_sampler.catalogue.problems import CONTAINED
    from biglearn_sampler.runs.trials import reason_of_failure, run_trial

    differing = surroundings.difference
    if differing is not None:
        return _failed(job, f"this machine has {differing}, so its figures could be others; install the same")
    try:
        import jax

        jax.config.update("jax_enable_x64", job.float64)
        scene = _scene(_Same(job), surroundings)
    except CONTAINED as error:
        return _failed(job, reason_of_failure(error))
    return run_trial(scene, job.method, job.seed)


class _Same:
    """A job, equal to another one that differs by its seed only."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._content = repr({key: value for key, value in vars(job).items() if key not in ("seed", "name")})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._content == other._content

    def __hash__(self) -> int:
        return hash(self._content)


# Seeds follow one another, and share what was compiled; of what came before nothing is needed again.
@lru_cache(maxsize=1)
def _scene(same: _Same, surroundings: Surroundings) -> Any:
    import jax

    from biglearn_sampler.catalogue import Catalogue
    from biglearn_sampler.errors import RunFailed
    from biglearn_sampler.runs.plan import make_plan
    from biglearn_sampler.runs.read_settings import read_settings
    from biglearn_sampler.runs.trials import Scene
    from biglearn_sampler.studies.plan import plugins_of

    jax.clear_caches()
    job = same.job
    catalogue = Catalogue.of(surroundings.recipe)
    read = read_settings(job.settings, {}, catalogue)
    plan = make_plan(job.target, read, (), job.seed, catalogue, {})
    baseline = None if job.baseline is None else catalogue.build("baseline", job.baseline)
    found = plugins_of(plan, baseline)
    changed = [name for name in {**job.plugins, **found} if found.get(name) != job.plugins.get(name)]
    if changed:
        raise RunFailed(
            f"the plugin of {', '.join(sorted(changed))} is not the one that the study was planned with: its file was "
            "edited meanwhile, or it has another version on this machine; `sweep --resume` plans with it as it is now"
        )
    baselines = {} if baseline is None else {job.method: baseline}
    return Scene(plan, read, baselines, job.budget, catalogue)


def _failed(job: Job, reason: str) -> Trial:
    return Trial(job.method, job.seed, {}, failed=reason)


def _listen(jobs: queue.SimpleQueue[Any]) -> None:
    """Take in what the caller says; when it is gone, so is this process, in the middle of a job or not."""
    try:
        while True:
            jobs.put(pickle.load(sys.stdin.buffer))
    except EOFError:
        os._exit(0)


if __name__ == "__main__":
    main()
