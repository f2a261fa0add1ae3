"""The command line around the catalogue: its commands, its global options, and how errors are told."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from PIL import Image

import biglearn_sampler
from biglearn_sampler.catalogue import Catalogue
from biglearn_sampler.cli import main
from biglearn_sampler.cli.tables import plain_table, print_table
from biglearn_sampler.testing.checks import checks_of

RINGS = """
from dataclasses import dataclass
from typing import Annotated, ClassVar

from biglearn_sampler.catalogue import Entry, hookimpl


@dataclass(frozen=True)
class Ring:
    kind: ClassVar[str] = "target"
    radius: Annotated[float, "distance from the origin [metres]"] = 2.0

    def __post_init__(self):
        if self.radius <= 0:
            raise ValueError(f"`radius` must be positive, got {self.radius}")

    def describe(self):
        return {"log Z": "0", "modes": "1"}


def broken():
    raise ImportError("needs a package")


@hookimpl
def biglearn_targets():
    return [
        Entry(name="ring", build=Ring, summary="one ring", reference="Nobody (2020) [3]"),
        Entry(name="broken", build=broken, summary="needs more"),
    ]
"""

COMMANDS = '''
import typer
from biglearn_sampler.catalogue import hookimpl
from biglearn_sampler.errors import RunFailed


@hookimpl
def biglearn_commands(commands):
    @commands.command()
    def hello(name: str) -> None:
        """Greet [somebody]."""
        typer.echo(f"Hello, {name}")

    @commands.command()
    def crash() -> None:
        raise RuntimeError("it\\nfell")

    @commands.command()
    def fail() -> None:
        raise RunFailed("the run stopped")

    @commands.command()
    def interrupted() -> None:
        raise KeyboardInterrupt

    @commands.command()
    def leave(status: int) -> None:
        raise typer.Exit(status)
'''

ENERGIES = """
import biglearn_sampler as bl

def bowl():
    return bl.target(lambda x: -0.5 * (x**2).sum(), dim=2, scale=1.0)

def hill():
    return bl.target(lambda x: 0.5 * (x**2).sum(), dim=2, scale=1.0)

def broken():
    raise RuntimeError("no such file")

@bl.hookimpl
def biglearn_targets():
    return [bl.Entry(name=build.__name__, build=build, summary="an energy") for build in (bowl, hill, broken)]
"""

BAD = "from biglearn_sampler.catalogue import hookimpl\n\n@hookimpl\ndef biglearn_targets():\n    return None\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """A working directory with plugins in files, and no settings from outside."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BIGLEARN_PLUGINS", raising=False)
    monkeypatch.delenv("BIGLEARN_BLOCK", raising=False)
    for name, text in {"rings.py": RINGS, "extras.py": COMMANDS, "bad.py": BAD}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def call(capsys):
    """Runs the command line with plugins from files only, and gives status, output and errors."""

    def run(*arguments: str, plugins: tuple[str, ...] = ("rings",)) -> tuple[int, str, str]:
        options = [text for name in plugins for text in ("--plugin", f"{name}.py", "--only", name)]
        status = main([*options, *arguments])
        return (status, *capsys.readouterr())

    return run


# plugins, show, check


def test_plugins_lists_what_is_offered_and_what_failed(call, folder):
    status, output, errors = call("plugins", plugins=("rings", "bad", "extras"))
    version = {
        record.name: record.version
        for record in Catalogue(files=sorted(folder.glob("*.py")), entry_points=False).plugins
    }
    lines = [line.split("  ") for line in output.splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert cells == [
        ["plugin", "distribution", "offers"],
        [
            "bad",
            f"file {folder}/bad.py {version['bad']}",
            "PROBLEM hook: biglearn_targets returned None; it must return a list of Entry",
        ],
        ["extras", f"file {folder}/extras.py {version['extras']}", "no entries"],
        ["rings", f"file {folder}/rings.py {version['rings']}", "2 targets"],
    ]
    assert (status, errors) == (0, "1 plugin has problems; see `biglearn check`\n")


CLASH = """
from biglearn_sampler.catalogue import Entry, hookimpl


def build():
    return object()


@hookimpl
def biglearn_metrics():
    return [Entry(name="elbo", build=build, summary="not the bound")]


@hookimpl
def biglearn_targets():
    return [Entry(name="funnel", build=build, summary="not the funnel")]
"""


def test_check_tells_names_that_two_plugins_offer(capsys, folder):
    (folder / "clash.py").write_text(CLASH)
    assert main(["--plugin", "clash.py", "check"]) == 1
    rows = [line for line in capsys.readouterr().out.splitlines() if " offered by " in line]
    assert len(rows) == 4 and [row.split()[0] for row in rows].count("clash") == 2
    told = (
        "metric 'elbo' is offered by the plugin 'biglearn_metrics' (biglearn-sampler) too; give one of them another "
        "name, or ask for 'clash:elbo'"
    )
    assert any(row.startswith("clash ") and row.endswith(told) for row in rows)
    assert any(row.startswith("biglearn_targets ") and "target 'funnel'" in row for row in rows)
    assert main(["--plugin", "clash.py", "check", "clash", "--json"]) == 1
    assert [problem["plugin"] for problem in json.loads(capsys.readouterr().out)["problems"]] == ["clash", "clash"]
    assert main(["--plugin", "clash.py", "check", "biglearn_schedulers"]) == 0


def test_the_version_is_told(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr() == (f"biglearn-sampler {version('biglearn-sampler')}\n", "")
    assert biglearn_sampler.__version__ == version("biglearn-sampler")
    assert "__version__" in dir(biglearn_sampler)


@pytest.mark.parametrize("command", [[], ["train"], ["compare"], ["sweep"], ["cluster"], ["show"], ["cite"], ["hello"]])
def test_the_short_option_for_help_gives_the_same(command, call):
    assert call(*command, "-h", plugins=("extras",)) == call(*command, "--help", plugins=("extras",))
    assert call(*command, "-h", plugins=("extras",))[1].startswith("Usage: biglearn")


@pytest.mark.parametrize("kind", ["target", "targets"])
def test_show_lists_a_kind(call, kind):
    status, output, errors = call("show", kind)
    assert output.splitlines() == [
        "name    summary     plugin",
        "broken  needs more  rings",
        "ring    one ring    rings",
    ]
    assert (status, errors) == (0, "")


def test_show_tells_all_about_an_entry(call):
    status, output, _ = call("show", "target", "ring")
    assert output.splitlines() == [
        "target rings:ring: one ring",
        "reference: Nobody (2020) [3]",
        "",
        "parameter  type   default  help",
        "radius     float  2.0      distance from the origin [metres]",
        "",
        "facts  with the default parameters",
        "log Z  0",
        "modes  1",
    ]
    assert status == 0


def test_show_tells_why_facts_are_not_known(call):
    status, output, _ = call("show", "target", "broken")
    assert status == 0
    assert "no parameters" in output
    assert "rings:broken: build raised ImportError: needs a package" in output


def test_show_tells_unknown_kinds_and_names(call):
    status, output, errors = call("show", "targt")
    assert (status, output) == (2, "")
    assert errors.startswith("error: there is no kind 'targt'; did you mean 'target'? The kinds: target, ")
    assert call("show", "target", "rng") == (2, "", "error: there is no target 'rng'; did you mean 'ring'?\n")


@pytest.mark.parametrize(("asked", "near"), [("trainin", "training"), ("budget.evaluation", "budget.evaluations")])
def test_show_tells_the_nearest_section_and_key_of_settings(call, asked, near):
    said = f"error: there is no setting, section or preset '{asked}'; did you mean '{near}'?\n"
    assert call("show", "setting", asked) == (2, "", said)


def test_show_tells_the_definition_and_facts_for_parameters(capsys):
    assert main(["show", "target", "funnel", "-p", "dim=3"]) == 0
    output = capsys.readouterr().out
    funnel = Catalogue().find("target", "funnel").entry
    assert funnel.build.__doc__ is not None and funnel.build.__doc__.splitlines()[0] in output
    assert f"reference: {funnel.reference}" in output
    assert re.search(r"facts +with dim=3\ndimension +3\n", output)
    assert main(["show", "target", "funnel", "-p", "dim=1"]) == 2
    assert "funnel" in capsys.readouterr().err


def test_show_draws_a_target(capsys, folder):
    assert main(["show", "target", "two_modes", "-p", "separation=3", "--plot"]) == 0
    assert capsys.readouterr().out.endswith("\nThe picture is in two_modes.png.\n")
    with Image.open(folder / "two_modes.png") as picture:
        assert picture.size == (620, 660)
    assert main(["show", "target", "two_modes", "--plot"]) == 2
    assert capsys.readouterr() == ("", "error: two_modes.png exists already; give another --out, or remove it\n")
    assert main(["show", "target", "two_modes", "--plot", "--out", "other.png", "--json"]) == 0
    output, errors = capsys.readouterr()
    assert json.loads(output)["offers"] and (folder / "other.png").is_file()
    assert errors == "\nThe picture is in other.png.\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["target", "--plot"], "--plot is for one target: biglearn show target NAME --plot ..."),
        (["scheduler", "joint", "-p", "a=1"], "-p is for one target: biglearn show target NAME -p ..."),
        (["target", "ring", "--out", "ring.png"], "--out says where --plot draws; give both"),
        (["target", "ring", "--plot", "--out", "ring.pdf"], "--out must be a file that ends in .png, got ring.pdf"),
        (["target", "ring", "--plot", "--out", "no/ring.png"], "there is no folder "),
        (["target", "ring", "--plot"], "there is no report 'target_picture'. There are: none"),
        (["target", "ring", "-p", "radius"], "-p takes NAME=VALUE, got 'radius'"),
    ],
)
def test_show_tells_options_that_do_not_fit(call, arguments, told):
    status, output, errors = call("show", *arguments)
    assert (status, output) == (2, "")
    assert errors.startswith(f"error: {told}")


def test_check_tells_all_problems_and_exits_with_1(call, folder):
    status, output, errors = call("check", plugins=("rings", "bad"))
    heading, line = output.splitlines()
    assert heading.split() == ["plugin", "distribution", "stage", "problem"]
    assert line == (
        f"bad     file {folder}/bad.py  hook   biglearn_targets returned None; it must return a list of Entry"
    )
    assert (status, errors) == (1, "")


def test_check_of_entries_names_the_first_fault_of_each(call, folder):
    (folder / "energies.py").write_text(ENERGIES)
    status, output, errors = call("check", "energies", "--entries", plugins=("energies",))
    assert (status, errors) == (1, "")
    told = [line for line in output.splitlines() if " not checked: " not in line]
    bowl, broken, why_broken, hill, why_hill = told
    assert broken == "target broken: 1 failed"
    assert why_broken.endswith("build raised RuntimeError: no such file")
    assert bowl.startswith("target bowl: ") and "passed" in bowl and "failed" not in bowl
    assert hill.startswith("target hill: ") and hill.endswith("1 failed")
    assert why_hill.startswith("  falls_off: the log density does not fall off")


def test_check_of_entries_as_json_has_every_check(call, folder):
    (folder / "energies.py").write_text(ENERGIES)
    status, output, _ = call("check", "energies", "--entries", "--json", plugins=("energies",))
    checks = json.loads(output)["checks"]
    assert status == 1
    assert {(each["entry"], each["check"]) for each in checks if each["outcome"] == "failed"} == {
        ("broken", "builds"),
        ("hill", "falls_off"),
    }
    assert all(each["message"] for each in checks if each["outcome"] != "passed")
    assert [each["check"] for each in checks if each["entry"] == "bowl"] == list(checks_of("target"))


def test_good_entries_are_no_problem(call, folder):
    (folder / "energies.py").write_text(ENERGIES.replace("(bowl, hill, broken)", "(bowl,)"))
    status, output, _ = call("check", "--entries", plugins=("energies",))
    told, *unchecked, ending = output.splitlines()
    assert status == 0 and told == "target bowl: 13 passed, 7 not checked" and ending == "no problems"
    assert "  log_z not checked: log Z is not declared" in unchecked
    assert sum(len(line.split(" not checked: ")[0].split(", ")) for line in unchecked) == 7


def test_check_of_one_plugin(call):
    assert call("check", "rings", plugins=("rings", "bad"))[:2] == (0, "no problems\n")
    assert call("check", "bad", plugins=("rings", "bad"))[0] == 1
    status, _, errors = call("check", "ring", plugins=("rings", "bad"))
    assert status == 2
    assert errors.startswith("error: there is no plugin or distribution 'ring'; did you mean 'rings'?")


@pytest.mark.parametrize(
    ("arguments", "filled"),
    [
        (["plugins"], {"plugins": 2, "offers": 0, "problems": 1}),
        (["show", "targets"], {"plugins": 0, "offers": 2, "problems": 1}),
        (["show", "target", "ring"], {"plugins": 0, "offers": 1, "problems": 1}),
        (["check"], {"plugins": 0, "offers": 0, "problems": 1}),
    ],
)
def test_json_has_one_schema(call, arguments, filled):
    _, output, _ = call(*arguments, "--json", plugins=("rings", "bad"))
    document = json.loads(output)
    assert {name: len(items) for name, items in document.items()} == filled
    keys = {
        "plugins": {"name", "distribution", "version", "offers"},
        "offers": {"kind", "name", "plugin", "summary", "reference", "definition", "argument", "parameters", "facts"},
        "problems": {"plugin", "distribution", "stage", "message"},
    }
    assert all(set(item) == keys[name] for name, items in document.items() for item in items)


def test_json_of_one_entry(call):
    (offer,) = json.loads(call("show", "target", "ring", "--json")[1])["offers"]
    assert offer["parameters"] == [
        {"name": "radius", "type": "float", "default": "2.0", "help": "distance from the origin [metres]"}
    ]
    assert offer["facts"] == {"log Z": "0", "modes": "1"}


# Commands of plugins


def test_commands_of_plugins_run_and_are_in_the_help(call):
    assert call("hello", "world", plugins=("extras",)) == (0, "Hello, world\n", "")
    _, output, _ = call("--help", plugins=("extras",))
    assert "hello        Greet [somebody]." in output
    assert main(["--help", "--plugin", "extras.py", "--only", "extras"]) == 0


def test_help_lists_plugin_commands_wherever_it_stands(call, capsys):
    main(["--help", "--plugin", "extras.py", "--only", "extras"])
    assert "Greet [somebody]." in capsys.readouterr().out


COMMAND_PLUGIN = """
from biglearn_sampler.catalogue import hookimpl


@hookimpl
def biglearn_commands(commands):
    @commands.command()
    def {name}():
        print("from clumsy")

    @commands.command()
    def another():
        print("from clumsy")

    {more}
"""
LEFT_OUT = "is left out, because biglearn or another plugin has one of that name"


@pytest.mark.parametrize(
    ("name", "more", "told"),
    [
        ("show", "", f"its command 'show' {LEFT_OUT}"),
        ("hello", "", f"its command 'hello' {LEFT_OUT}"),
        ("group", "commands.add_typer(commands, name='hello')", "biglearn_commands raised RecursionError"),
        ("half", "raise ValueError('half-way')", "biglearn_commands raised ValueError: half-way"),
        (
            "back",
            "commands.callback()(lambda: None)",
            "biglearn_commands raised ValueError: a callback would run",
        ),
    ],
)
def test_bad_commands_of_a_plugin_are_told_and_left_out(call, folder, name, more, told):
    (folder / "clumsy.py").write_text(COMMAND_PLUGIN.format(name=name, more=more))
    plugins = ("extras", "clumsy")
    status, output, _ = call("check", "clumsy", plugins=plugins)
    assert status == 1
    assert told in output
    status, output, _ = call(name, plugins=plugins)
    assert (status, "from clumsy" in output) == (2, False)
    # The other plugin keeps its other commands; this one does if it went well.
    assert call("fail", plugins=plugins)[2].startswith("error: the run stopped\n")
    assert call("another", plugins=plugins)[0] == (0 if LEFT_OUT in told else 2)


# Errors and exit statuses


def test_a_mistake_in_options_exits_with_2(call):
    assert call("shwo")[0] == 2
    assert call("--no-such-option")[0] == 2
    assert call("plugins", "extra")[0] == 2


def test_an_error_of_ours_is_one_line_with_its_status(call):
    assert call("fail", plugins=("extras",)) == (1, "", "error: the run stopped\n")


def test_another_error_is_one_line_with_advice(call):
    line = "error: RuntimeError: it fell (run again with --debug for the traceback)\n"
    assert call("crash", plugins=("extras",)) == (1, "", line)


def test_debug_shows_the_traceback(call):
    status, _, errors = call("--debug", "crash", plugins=("extras",))
    assert status == 1
    assert errors.startswith("Traceback (most recent call last):")
    assert errors.endswith("error: RuntimeError: it fell\n")
    assert "Traceback" in call("--debug", "fail", plugins=("extras",))[2]


def test_an_interrupt_exits_with_130(call):
    assert call("interrupted", plugins=("extras",))[0] == 130


@pytest.mark.parametrize("status", [0, 1, 7])
def test_a_command_chooses_its_status(call, status):
    assert call("leave", str(status), plugins=("extras",))[0] == status


def test_strict_tells_every_problem(call, folder):
    (folder / "worse.py").write_text("import no_such_package")
    status, output, errors = call("--strict", "plugins", plugins=("rings", "bad", "worse"))
    assert (status, output) == (1, "")
    assert errors.splitlines() == [
        "error: plugins have problems",
        f"  plugin 'worse' (file {folder}/worse.py), import: ModuleNotFoundError: No module named 'no_such_package'",
        f"  plugin 'bad' (file {folder}/bad.py), hook: biglearn_targets returned None; it must return a list of Entry",
    ]
    assert call("--strict", "show", "targets")[0] == 0


# Where plugins come from


@pytest.mark.parametrize(
    ("plugin", "told"),
    [
        ("none.py", "error: plugin file 'none.py' cannot be read: No such file or directory\n"),
        ("./none", "error: plugin file 'none' cannot be read: No such file or directory\n"),
        (
            "none",
            "error: there is no module 'none'; a plugin file is given with its ending, as in 'none.py'\n",
        ),
        (
            "no-ne",
            "error: there is no module 'no-ne'; a plugin file is given with its ending, as in 'no-ne.py'\n",
        ),
    ],
)
def test_a_plugin_that_does_not_exist_is_a_mistake(capsys, plugin, told):
    assert main(["--plugin", plugin, "plugins"]) == 2
    assert capsys.readouterr().err == told


def test_a_plugin_may_be_a_module(call, capsys, monkeypatch, folder):
    (folder / "cli_test_module.py").write_text(RINGS)
    monkeypatch.syspath_prepend(folder)
    assert main(["--plugin", "cli_test_module", "--only", "cli_test_module", "show", "target", "ring"]) == 0
    assert "target cli_test_module:ring" in capsys.readouterr().out


def test_the_file_in_the_working_directory_is_loaded(capsys, folder):
    (folder / "biglearn_plugin.py").write_text(RINGS)
    assert main(["--only", "biglearn_plugin", "show", "target", "ring"]) == 0
    assert "target biglearn_plugin:ring" in capsys.readouterr().out
    assert main(["--plugin", "./biglearn_plugin.py", "--only", "biglearn_plugin", "check"]) == 0


def test_only_leaves_out_our_own_plugins_unless_they_are_named(capsys, folder):
    (folder / "biglearn_plugin.py").write_text(RINGS)
    assert main(["--only", "biglearn-sampler", "--only", "biglearn_plugin", "plugins", "--json"]) == 0
    names = [plugin["name"] for plugin in json.loads(capsys.readouterr().out)["plugins"]]
    assert {"biglearn_metrics", "biglearn_plugin", "biglearn_tasks"} <= set(names)
    assert main(["--only", "biglearn_plugin", "--help"]) == 0
    assert "Our own plugins stay only with --only biglearn-sampler" in " ".join(capsys.readouterr().out.split())


def test_a_link_to_a_plugin_has_its_own_name(capsys, folder):
    (folder / "biglearn_plugin.py").symlink_to(folder / "rings.py")
    both = ["--plugin", "rings.py", "--only", "rings", "--only", "biglearn_plugin"]
    assert main([*both, "show", "target", "ring"]) == 2
    told = "target 'ring' is offered by 2 plugins; ask for one of: biglearn_plugin:ring, rings:ring"
    assert capsys.readouterr().err == f"error: {told}\n"


def test_plugins_from_the_environment(capsys, monkeypatch):
    monkeypatch.setenv("BIGLEARN_PLUGINS", os.pathsep.join(["rings.py", "", "./bad.py"]))
    assert main(["--only", "rings", "--only", "bad", "plugins", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [plugin["name"] for plugin in document["plugins"]] == ["bad", "rings"]


def test_block_by_option_and_environment(call, monkeypatch):
    assert "rings" not in call("--block", "rings", "plugins", plugins=("rings", "bad"))[1]
    monkeypatch.setenv("BIGLEARN_BLOCK", "bad, rings")
    assert call("plugins", plugins=("rings", "bad"))[1] == "plugin  distribution  offers\n"


def test_the_environment_is_read_by_the_command_line_only(monkeypatch):
    monkeypatch.setenv("BIGLEARN_PLUGINS", "rings.py")
    assert Catalogue(entry_points=False).plugins == ()


# Tables


def test_a_plain_table_cuts_nothing():
    name = "a_name_of_great_length_" * 10
    assert plain_table(("name", "summary"), [(name, "x")]).splitlines()[1] == f"{name}  x"


def test_a_table_on_a_terminal_keeps_brackets_and_names(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    print_table(("name", "type"), [("matrix", "tuple[float, ...]"), ("n" * 80, "int")])
    output = capsys.readouterr().out
    assert "tuple[float, ...]" in output
    assert output.count("n") >= 80


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_a_table_of_figures_on_a_terminal_breaks_no_figure(width, monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(width))
    methods = ("sampler", "nuts", "parallel_tempering")
    columns = ["quantity", *(f"{method} {part}" for method in methods for part in ("mean", "mcse", "sd"))]
    cells = [f"{number}.{number}{number}57 ± 0.0{number}8" for number in range(1, 10)]
    print_table(columns, [["intercept", *cells], ["a_quantity_with_a_long_name", *cells]], labels=1, together=3)
    output = capsys.readouterr().out
    for cell in cells:
        assert output.count(cell) == 2
    assert ("a_quantity_with_a_long_name" in output) == (width >= 60)
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in output.splitlines()]
    assert width < 60 or max(map(len, lines)) <= width


# Weight


WITHOUT_HEAVY_IMPORTS = """
import sys
from biglearn_sampler.cli import main
status = main(["--help"])
heavy = sorted({"jax", "numpyro", "matplotlib", "optax"} & set(sys.modules))
print("heavy:", heavy, file=sys.stderr)
sys.exit(status)
"""


def test_help_answers_without_heavy_imports():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_HEAVY_IMPORTS],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "heavy: []" in done.stderr
    assert "biglearn_plugin.py" in done.stdout


@pytest.mark.parametrize(("argument", "status"), [("--version", 0), ("--nothing", 2)])
def test_the_module_is_the_command(argument, status):
    done = subprocess.run([sys.executable, "-m", "biglearn_sampler", argument], capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    assert version("biglearn-sampler") in done.stdout if status == 0 else "No such option" in done.stderr


def test_a_typer_app_gets_the_commands_of_good_plugins(folder):
    app = typer.Typer()
    Catalogue(files=[folder / "extras.py"], entry_points=False).add_commands(app)
    assert [command.name for command in typer.main.get_group(app).commands.values()] == [
        "hello",
        "crash",
        "fail",
        "interrupted",
        "leave",
    ]
