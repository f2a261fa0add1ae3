"""The families of tasks, as the ablations name them."""

from __future__ import annotations

from typing import Any

FAMILIES: dict[str, Any] = {
    "joint": "joint",
    "marginal": "marginal",
    "conditional": {"name": "conditional", "condition": "noised"},
    "transformed marginal": "transformed_marginal",
    "transformed conditional": {"name": "transformed_conditional", "condition": "noised"},
    "noised": "noised",
}
"""What the catalogue builds each from. Conditions are those of the sampler with noise, so that they lead beyond it."""
