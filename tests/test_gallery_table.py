"""The table of the gallery in `targets/README.md` says what the catalogue says."""

import importlib.util
from pathlib import Path

TARGETS = Path(__file__).parent.parent / "targets"


def test_table_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("update_readme", TARGETS / "update_readme.py")
    assert spec is not None and spec.loader is not None
    update_readme = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(update_readme)
    text = (TARGETS / "README.md").read_text(encoding="utf-8")
    assert update_readme.with_table(text) == text, "run `python targets/update_readme.py`"
