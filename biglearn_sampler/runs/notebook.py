"""A run in a notebook: what its figures mean, the figures, and a picture of the sampler beside the target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from biglearn_sampler.catalogue.notebook import heading, html_of, paragraph, picture, table
from biglearn_sampler.runs.numerals import numeral_with_error
from biglearn_sampler.runs.run import Run
from biglearn_sampler.runs.summary import sentences

SHOWN = ("elbo", "log_z", "ess", "khat", "modes_covered", "modes_total", "mode_mass_tv")
COSTS = ("energy_evaluations", "gradient_evaluations", "seconds_compile", "seconds_run")
PICTURES = ("marginal_pairs", "training_strip")
"""Reports that draw a run; the first one that applies is shown."""


@html_of.register(Run)
def html_of_run(run: Run) -> str:
    """The HTML of a run."""
    metrics = run.metrics
    told = "".join(paragraph(text) for text in sentences(metrics)) if metrics else paragraph("It has no figures.")
    rows = [(name, numeral_with_error(metrics, name)) for name in (*SHOWN, *COSTS) if metrics.get(name) is not None]
    drawn = next((html for html in (_picture(run, report) for report in PICTURES) if html), "")
    return (
        heading(f"A run on {run.name}, seed {run.record.get('seed')}") + told + table(("figure", "value"), rows) + drawn
    )


def _picture(run: Run, report: str) -> str:
    def draw(built: Any, path: Path) -> None:
        for written in built.write(run, path.parent):
            written.replace(path)

    return picture(report, draw, f"the sampler of the run on {run.name} beside its target")
