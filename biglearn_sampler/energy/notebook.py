"""A target in a notebook: what is known of it, and a picture of its density."""

from __future__ import annotations

from biglearn_sampler.catalogue.notebook import heading, html_of, picture, table
from biglearn_sampler.energy.target import AbstractTarget


@html_of.register(AbstractTarget)
def html_of_target(target: AbstractTarget) -> str:
    """The HTML of a target."""
    facts, name = target.facts, type(target).__name__
    rows = [
        ("dimension", str(target.dim)),
        ("log Z", "unknown" if facts.log_z is None else f"{facts.log_z:.4f}"),
        ("modes", "unknown" if facts.modes is None else f"{len(facts.modes)} known"),
        ("exact draws", "no" if facts.sample is None else "yes"),
    ]
    drawn = picture(
        "target_picture",
        lambda report, path: report.draw_target(target, name, path),
        f"density of the target {name} in {target.dim} dimensions",
    )
    return heading(f"A target: {name}") + table(("fact", "value"), rows) + drawn
