"""Where plugins come from: installed distributions, modules, files; and which of them are left out."""

import sys
from pathlib import Path
from typing import Any

import pytest

from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.catalogue.catalogue import NOT_INSTALLED
from biglearn_sampler.catalogue.sources import GROUP
from biglearn_sampler.errors import UserError

GOOD = """
from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from biglearn_sampler.catalogue import Entry, hookimpl


@dataclass(frozen=True)
class Ring:
    kind: ClassVar[str] = "target"
    radius: Annotated[float, "distance from the origin"] = 2.0


@hookimpl
def biglearn_targets():
    return [Entry(name="ring", build=Ring, summary="one ring")]
"""


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    """A folder on the path, in front of everything, for distributions and modules."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def fresh_modules():
    """Modules that a test imports do not stay for the next one."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("sources_test_"):
            del sys.modules[name]


def install(site: Path, distribution: str, *, module: str, text: str = GOOD, name: str | None = None) -> None:
    """Write a distribution with one plugin, as an installer would."""
    (site / f"{module}.py").write_text(text)
    information = site / f"{distribution.replace('-', '_')}-1.5.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.5\n")
    (information / "entry_points.txt").write_text(f"[{GROUP}]\n{name or module} = {module}\n")


def problems_of(catalogue: Catalogue, plugin: str) -> list[str]:
    return [str(problem) for problem in catalogue.problems_met if problem.plugin == plugin]


def test_an_installed_plugin_is_loaded_with_its_distribution(site):
    install(site, "my-rings", module="sources_test_rings")
    catalogue = Catalogue(only=["my-rings"])
    assert catalogue.problems == ()
    record = catalogue.build("target", "ring").record
    assert (record.name, record.distribution, record.version) == (
        "sources_test_rings:ring",
        "my-rings",
        "1.5",
    )


def test_a_plugin_that_cannot_be_imported_is_told_and_the_others_stay(site):
    install(site, "my-rings", module="sources_test_rings")
    install(site, "needs-e3nn", module="sources_test_needs", text="import no_such_package_e3nn")
    catalogue = Catalogue(only=["my-rings", "needs-e3nn"])
    assert catalogue.find("target", "ring").plugin == "sources_test_rings"
    assert [str(problem) for problem in catalogue.problems] == [
        "plugin 'sources_test_needs' (needs-e3nn), import: ModuleNotFoundError: No module named 'no_such_package_e3nn'"
    ]
    failed = catalogue.plugins[0]
    assert (failed.name, failed.version, failed.offers) == ("sources_test_needs", "1.5", {})
    assert failed.problems == catalogue.problems


def test_a_name_that_two_distributions_share_is_told_and_neither_is_loaded(site):
    install(site, "rings-one", module="sources_test_one", name="shared_rings")
    install(site, "rings-two", module="sources_test_two", name="shared_rings")
    both = ["rings-one", "rings-two"]
    catalogue = Catalogue(only=both)
    assert catalogue.offers("target") == ()
    assert problems_of(catalogue, "shared_rings") == [
        f"plugin 'shared_rings' ({distribution}), registration: 2 plugins are called 'shared_rings' "
        "(rings-one 1.5, rings-two 1.5); none of them is loaded. Rename one, or block the distribution of one"
        for distribution in both
    ]
    assert not {"sources_test_one", "sources_test_two"} & set(sys.modules)
    alone = Catalogue(only=both, block=["rings-two"])
    assert alone.find("target", "shared_rings:ring").distribution == "rings-one"


def test_without_any_distribution_the_user_is_told_to_install(monkeypatch):
    monkeypatch.setattr("biglearn_sampler.catalogue.sources.metadata.entry_points", lambda group: [])
    assert Catalogue().problems_met == (NOT_INSTALLED,)
    assert NOT_INSTALLED.message.endswith("in a checkout, run `pip install -e .`")
    with pytest.raises(UserError, match="there is no target 'funnel'.*\n.*pip install -e ."):
        Catalogue().find("target", "funnel")
    assert Catalogue(entry_points=False).problems_met == ()


def test_a_module_is_a_plugin_without_packaging(site):
    (site / "sources_test_module.py").write_text(GOOD)
    catalogue = Catalogue(modules=["sources_test_module"], entry_points=False)
    assert catalogue.problems == ()
    assert catalogue.find("target", "sources_test_module:ring").distribution == "module sources_test_module"


# Files


def test_a_file_is_a_plugin_named_as_the_file(tmp_path):
    path = tmp_path / "rings.py"
    path.write_text(GOOD)
    catalogue = Catalogue(files=[path], entry_points=False)
    assert catalogue.problems == ()
    record = catalogue.build("target", "rings:ring", {"radius": "3"}).record
    assert record.distribution == f"file {path}"
    assert record.parameters == {"radius": 3.0}


def test_a_changed_file_is_loaded_anew_and_has_another_version(tmp_path):
    path = tmp_path / "rings.py"
    versions = set()
    for radius in ("2.0", "7.0", "8.0"):
        # Of the same length and within one second: Python's own cache would not notice.
        path.write_text(GOOD.replace("2.0", radius))
        built = Catalogue(files=[str(path)], entry_points=False).build("target", "ring")
        assert built.value.radius == float(radius)
        versions.add(built.record.version)
    assert len(versions) == 3
    assert not (tmp_path / "__pycache__").exists()


def test_an_unchanged_file_is_imported_once(tmp_path):
    path = tmp_path / "rings.py"
    path.write_text(GOOD)
    catalogues = [Catalogue(files=[path], entry_points=False) for _ in range(2)]
    # Of two classes, objects would not be equal.
    assert catalogues[0].build("target", "ring").value == catalogues[1].build("target", "ring").value


def test_a_missing_file_is_a_mistake_of_the_user(tmp_path):
    with pytest.raises(UserError, match=r"plugin file '.*none\.py' cannot be read: No such file"):
        Catalogue(files=[tmp_path / "none.py"], entry_points=False)
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        Catalogue(files=[tmp_path], entry_points=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x = (", "SyntaxError: '(' was never closed (broken.py, line 1)"),
        (b"\xff\xfe", "SyntaxError: "),
        (b"import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        (b"raise ValueError", "ValueError"),
    ],
)
def test_a_broken_file_is_told(tmp_path, content, message):
    (tmp_path / "broken.py").write_bytes(content)
    (problem,) = Catalogue(files=[tmp_path / "broken.py"], entry_points=False).problems
    assert problem.stage == "import"
    assert problem.message.startswith(message)


def test_two_files_of_one_name_are_told(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "rings.py").write_text(GOOD)
    files = [tmp_path / folder / "rings.py" for folder in ("one", "two")]
    catalogue = Catalogue(files=files, entry_points=False)
    assert len(problems_of(catalogue, "rings")) == 2
    assert catalogue.offers("target") == ()


# Leaving out


def test_plugins_and_distributions_are_left_out(site, tmp_path):
    install(site, "my-rings", module="sources_test_rings")
    (tmp_path / "more.py").write_text(GOOD)
    both = ["my-rings", "more"]

    def names(only: list[str], block: list[str]) -> list[str]:
        catalogue = Catalogue(files=[tmp_path / "more.py"], only=only, block=block)
        return [record.name for record in catalogue.plugins]

    assert names(both, []) == ["more", "sources_test_rings"]
    assert names(both, ["my-rings"]) == ["more"]
    assert names(both, ["sources_test_rings"]) == ["more"]
    assert names(["sources_test_rings"], []) == ["sources_test_rings"]


def test_what_is_left_out_is_not_imported(site):
    install(site, "my-rings", module="sources_test_rings")
    Catalogue(only=["my-rings"], block=["sources_test_rings"])
    assert "sources_test_rings" not in sys.modules


@pytest.mark.parametrize("options", [{"block": ["ring"]}, {"only": ["ring"]}])
def test_an_unknown_name_to_leave_out_is_told(tmp_path, options: dict[str, Any]):
    (tmp_path / "rings.py").write_text(GOOD)
    with pytest.raises(UserError, match="there is no plugin or distribution 'ring'; did you mean 'rings'"):
        Catalogue(files=[tmp_path / "rings.py"], entry_points=False, **options)
