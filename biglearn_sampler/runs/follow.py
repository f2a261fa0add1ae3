"""The part of a process that follows another one in a training."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.devices.processes import Dismissed, Follower
from biglearn_sampler.precision import full_precision
from biglearn_sampler.runs.folder import RunFolder
from biglearn_sampler.runs.plan import Plan, make_plan
from biglearn_sampler.runs.read_settings import read_settings
from biglearn_sampler.runs.resume import planned
from biglearn_sampler.runs.trainers import trainer_of
from biglearn_sampler.runs.trust import check_trusted
from biglearn_sampler.seeds import checked_seed

logger = logging.getLogger(__name__)


def follow(
    team: Follower,
    target: Any,
    *,
    seed: int = 0,
    settings: str | Path | Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    catalogue: Catalogue | None = None,
) -> None:
    """Take part in a training with the devices of this process: compute what the leading process asks for.

    Nothing is decided, written or measured here. It ends when the training does.

    Arguments:
        team: which this process belongs to.
        target, seed, settings, overrides, parameters, catalogue: as of `train` in the leading process, also where that
            one resumes a run.

    Raises:
        UserError: this process was asked for something else than the leading one, or for what cannot be had.
        TeamLost: the leading process has gone, or failed.
    """
    catalogue = catalogue or Catalogue()
    read = read_settings(settings, overrides or {}, catalogue)
    _take_part(team, make_plan(target, read, (), checked_seed(seed), catalogue, parameters or {}, team))


def follow_resumed(
    team: Follower, folder: Path, devices: int | None, catalogue: Catalogue, *, trusted: bool = False
) -> None:
    """The same for a run that is resumed, in a folder that this process can read as well; see `resume`."""
    opened = RunFolder.existing(folder)
    record = opened.read_record()
    check_trusted(record["target"], opened.path, trusted)
    plan = planned(opened, record, None, {"devices.count": devices}, catalogue, team)
    _take_part(team, plan)


@full_precision()
def _take_part(team: Follower, plan: Plan) -> None:
    try:
        trainer = trainer_of(plan)
    except Dismissed:
        logger.warning("process 0 says that there is nothing to do: the run is finished")
        return
    trainer.compiled()
    team.follow()
