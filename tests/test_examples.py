"""Every example runs, and the README shows the first one to the letter."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NEEDED = {"torch_energy": "torch", "stan_energy": "stan"}
"""Packages that are no dependencies; their examples are skipped where they are missing."""


LONG = ("compare_with_nuts", "comparison", "own_energy")
"""What they show is done elsewhere as well: `make demo` and other tests do."""


@pytest.mark.parametrize(
    "example",
    [pytest.param(path, marks=pytest.mark.slow) if path.stem in LONG else path for path in EXAMPLES],
    ids=lambda path: path.stem,
)
def test_example_runs(example: Path, tmp_path: Path) -> None:
    needed = NEEDED.get(example.stem)
    if needed is not None and find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed")
    environment = {**os.environ, "PYTHONWARNINGS": "error::DeprecationWarning:__main__"}
    finished = subprocess.run(
        [sys.executable, example], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip()


def test_readme_shows_the_quickstart() -> None:
    code = (ROOT / "examples" / "quickstart.py").read_text(encoding="utf-8").split('"""\n', 1)[1].strip()
    assert code in (ROOT / "README.md").read_text(encoding="utf-8")
