"""The paper's recipes as settings, and a comparison with all metrics."""

from __future__ import annotations

from typing import Annotated, Any

from biglearn_sampler.catalogue import Entry

BIG_LEARNING = "Anonymous (2024), Big Cooperative Learning to Conquer Local Optima"


def paper(
    steps: Annotated[int, "training steps, at least 1; 10,000 outer times 20 inner ones in the paper"] = 200_000,
) -> dict[str, Any]:
    """The 25-mode experiment as the released code has it: corner start, SGD, equal weights, exact channels."""
    return {
        "components": 25,
        "channels": "exact",
        "coordinates": "raw",
        "scheduler": "paper",
        "start": {"mean": -5.0, "sd": 0.1, "width": 1.0},
        "training": {"steps": steps, "points": 4},
        "optimizer": {"name": "sgd", "learning_rate": 0.1, "decay": "constant"},
        "weights": {"learn": False},
    }


def transformed(
    steps: Annotated[int, "training steps, at least 1"] = 4000,
) -> dict[str, Any]:
    """Section 3.3: two equal components that start on one side, all transformed tasks uniformly, exact channels."""
    return {
        "components": 2,
        "channels": "exact",
        "start": {"mean": -1.0, "sd": 0.1},
        "weights": {"learn": False},
        "scheduler": {
            "name": "bi_level",
            "scheduler": {
                "name": "uniform",
                "tasks": ["joint", "transformed_marginal", "transformed_conditional"],
            },
        },
        "training": {"steps": steps},
    }


def all_metrics() -> dict[str, Any]:
    """Every built-in metric with its defaults, for comparisons: ten seconds and more for each method."""
    return {
        "metrics": [
            *("elbo", "eubo", "log_z", "log_z_forward", "ess", "ess_forward", "khat"),
            *("mode_coverage", "mode_mass_kl", "entropic_coverage"),
            *("w2", "sliced_w2", "mmd", "energy_histogram", "moment_errors", "ksd", "chain_diagnostics"),
            "reference_moments",
        ]
    }


ENTRIES = [
    Entry(
        name="all_metrics",
        build=all_metrics,
        summary="every built-in metric at the end, also those that take seconds; for comparisons",
    ),
    Entry(
        name="paper",
        build=paper,
        summary="the paper's 25-mode recipe: corner start, SGD, exact channels, 200,000 steps",
        reference=f"{BIG_LEARNING} (Fig. 3 and its code)",
    ),
    Entry(
        name="transformed",
        build=transformed,
        summary="the paper's two components that start on one side: all transformed tasks uniformly, exact channels",
        reference=f"{BIG_LEARNING} (section 3.3)",
    ),
]
