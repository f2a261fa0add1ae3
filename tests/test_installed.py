"""The package as strangers get it: built, installed and used away from the checkout."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterable, Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).parents[1]
TEMPLATE = CHECKOUT / "examples" / "plugin_template"
ROOMS = {"biglearn_sampler", "biglearn_targets", "biglearn_plugins"}
GENERATED = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__")
# Nothing may point Python or pip elsewhere, or keep them from using bytecode: to them an empty value is none.
OVERRIDDEN = {"PYTHONPATH": "", "PIP_CONSTRAINT": "", "PYTHONDONTWRITEBYTECODE": "", "COLUMNS": "120"}
PIP_OPTIONS = ("--no-index", "--no-build-isolation", "--disable-pip-version-check")


def execute(*command: object, cwd: Path) -> str:
    """Standard output of a command that has to succeed; otherwise the test fails with all it said."""
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=os.environ | OVERRIDDEN, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def leftovers(folder: str, names: list[str]) -> set[str]:
    """What a copy of the checkout leaves out: what tools generated, and results of runs."""
    return GENERATED(folder, names) | ({"demo", "runs"} if Path(folder) == CHECKOUT else set())


def distributions_behind(*names: str) -> Iterator[str]:
    """The names of distributions that are needed to install these, directly or not, these included."""
    todo, seen = list(map(canonicalize_name, names)), set[str]()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name
        for requirement in map(Requirement, distribution(name).requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                todo.append(canonicalize_name(requirement.name))


class Environment:
    """A new virtual environment that borrows chosen distributions of the running one by symbolic links.

    Only what is linked can be imported: neither this checkout nor a development tool can stand in for what a
    package forgot to ask for.
    """

    def __init__(self, folder: Path, borrow: Iterable[str]) -> None:
        self.folder = folder
        venv.create(folder, symlinks=True)
        self.binaries = folder / "bin"
        self.packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        borrowed = folder / "borrowed"
        borrowed.mkdir()
        (self.packages / "borrowed.pth").write_text(f"{borrowed}\n")
        for name in borrow:
            found = distribution(name)
            tops = {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}
            for top in tops:
                link = borrowed / top
                if not link.exists():
                    link.symlink_to(Path(str(found.locate_file(top))))

    def python(self, *arguments: object) -> str:
        return execute(self.binaries / "python", *arguments, cwd=self.scratch)

    def biglearn(self, *arguments: object) -> str:
        return execute(self.binaries / "biglearn", *arguments, cwd=self.scratch)

    def pip(self, *arguments: object) -> str:
        # pip checks the requirements of what it installs against what is linked.
        return self.python("-m", "pip", *arguments)


@pytest.fixture(scope="module")
def source_distribution(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, built from a copy, since a build leaves traces in its folder."""
    source = tmp_path_factory.mktemp("source") / "checkout"
    shutil.copytree(CHECKOUT, source, ignore=leftovers)
    out = tmp_path_factory.mktemp("sdist")
    build = f"from setuptools.build_meta import build_sdist; build_sdist({str(out)!r})"
    execute(sys.executable, "-c", build, cwd=source)
    (archive,) = out.iterdir()
    return archive


@pytest.fixture(scope="module")
def wheel(source_distribution: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution."""
    out = tmp_path_factory.mktemp("wheel")
    options = (*PIP_OPTIONS, "--no-deps", "--wheel-dir", out)
    execute(sys.executable, "-m", "pip", "wheel", source_distribution, *options, cwd=out)
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the wheel, what it asks for, and what the plugin template is tested by."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    asked_for = (Requirement(text).name for text in project["dependencies"])
    environment = Environment(
        tmp_path_factory.mktemp("environment"),
        borrow=distributions_behind(*asked_for, "pip", "pytest", "setuptools"),
    )
    environment.pip("install", wheel, *PIP_OPTIONS)
    return environment


def test_the_wheel_holds_three_typed_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == ROOMS
    assert {f"{room}/py.typed" for room in ROOMS} <= names
    assert not [name for name in names if {"tests", "examples", "benchmarks"} & set(Path(name).parts)]


def test_the_wheel_holds_every_module_and_data_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for room, parent in (
        ("biglearn_sampler", "."),
        ("biglearn_targets", "targets"),
        ("biglearn_plugins", "plugins"),
    ):
        files = (path for path in (CHECKOUT / parent / room).rglob("*") if path.is_file())
        kept = {path.relative_to(CHECKOUT / parent).as_posix() for path in files if "__pycache__" not in path.parts}
        assert kept <= names


def test_the_source_distribution_carries_what_its_readers_and_tests_need(source_distribution: Path) -> None:
    with tarfile.open(source_distribution) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = [
        "CHANGELOG.md",
        "LICENSE",
        "Makefile",
        "constraints.txt",
        "plugins/README.md",
        "targets/README.md",
    ]
    for folder in ("examples", "tests"):
        files = (path for path in (CHECKOUT / folder).rglob("*.py") if "build" not in path.parts)
        wanted += [path.relative_to(CHECKOUT).as_posix() for path in files]
    assert set(wanted) <= names


def test_the_installed_package_is_the_one_that_runs(installed: Environment) -> None:
    files = installed.python("-c", f"for name in {sorted(ROOMS)}: print(__import__(name).__file__)").split()
    assert len(files) == len(ROOMS)
    assert all(Path(file).is_relative_to(installed.packages) for file in files), files


def test_the_installed_command_knows_its_own_plugins(installed: Environment) -> None:
    assert "Usage" in installed.biglearn("--help")
    assert {"biglearn_targets", "biglearn_schedulers"} <= plugins_of(installed)


def test_the_plugin_template_installs_runs_passes_and_goes(installed: Environment, tmp_path: Path) -> None:
    template = tmp_path / "template"
    shutil.copytree(TEMPLATE, template, ignore=GENERATED)
    installed.pip("install", template, *PIP_OPTIONS)
    try:
        assert "biglearn_template" in plugins_of(installed)
        run = tmp_path / "run"
        settings = (
            "training.steps=50",
            "components=8",
            "scheduler=my_scheduler",
            "reports=[]",
            "verdict.evaluations=0",
        )
        options = (part for setting in settings for part in ("--set", setting))
        installed.biglearn("train", "my_energy", *options, "--quiet", "--out", run)
        assert (run / "metrics.json").exists()
        report = execute(installed.binaries / "python", "-m", "pytest", "-p", "no:cacheprovider", cwd=template)
        assert "passed" in report
    finally:
        installed.pip("uninstall", "--yes", "biglearn-template")
    assert "biglearn_template" not in plugins_of(installed)


def plugins_of(environment: Environment) -> set[str]:
    """The names of the plugins that have no problem."""
    listing = json.loads(environment.biglearn("plugins", "--json"))
    assert listing["problems"] == []
    return {plugin["name"] for plugin in listing["plugins"]}
