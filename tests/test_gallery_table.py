"""The table of the gallery in `targets/README.md` says what the catalogue says."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp

from biglearn_targets.label_switching import label_switching

TARGETS = Path(__file__).parent.parent / "targets"


def test_table_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("update_readme", TARGETS / "update_readme.py")
    assert spec is not None and spec.loader is not None
    update_readme = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(update_readme)
    text = (TARGETS / "README.md").read_text(encoding="utf-8")
    assert update_readme.with_table(text) == text, "run `python targets/update_readme.py`"


def test_facts_follow_the_precision_of_jax() -> None:
    """They are kept, and once came back in the precision of an earlier time."""
    with jax.enable_x64(True):
        assert jnp.asarray(label_switching().facts.mode_weights).dtype == jnp.float64
    weights = label_switching().facts.mode_weights
    assert weights is not None and weights.dtype == jnp.float32
    assert label_switching().facts is label_switching().facts
