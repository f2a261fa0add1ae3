"""How benchmarks write their tables: machine, date and commit above every figure."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def write_table(
    name: str,
    title: str,
    command: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    notes: str = "",
    commits: Iterable[str] = (),
) -> Path:
    """Write `results/NAME.md` with a table and where it came from: the commits of its rows, or this one."""
    measured = ", ".join(sorted(set(commits))) or commit()
    lines = [
        f"# {title}",
        "",
        f"Made by `{command}` on {date.today().isoformat()}, commit {measured}, {machine()}.",
        "",
        f"| {' | '.join(columns)} |",
        f"|{'---|' * len(columns)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    if notes:
        lines += ["", notes]
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.md"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    return path


def add_row(path: Path, row: Mapping[str, Any]) -> None:
    """Show one measured row, and keep it."""
    line = json.dumps(row)
    print(line, flush=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def latest_rows(path: Path, *names: str) -> list[dict[str, Any]]:
    """The rows that were kept; of those that agree in what is named, the last."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return list({tuple(row[name] for name in names): row for row in rows}.values())


def commit() -> str:
    """The commit that was measured, with a mark if the tree had other changes than tables."""
    here = Path(__file__).parent
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=here, capture_output=True, text=True, check=True
    ).stdout.strip()
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--", "..", ":!results"], cwd=here, capture_output=True, text=True, check=True
    ).stdout.strip()
    return f"{commit} with uncommitted changes" if changed else commit


def machine() -> str:
    """The machine and the versions."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("jax", "numpyro"))
    return f"{os.cpu_count()} CPU cores ({platform.machine()}), Python {platform.python_version()}, {packages}"
