"""Commands that look into the catalogue: `plugins` and `show`.

With `--json` each of them prints one object with the same three lists:

    plugins   {"name", "distribution", "version", "offers": {kind: [names]}}
    offers    {"kind", "name", "plugin", "summary", "reference", "definition", "argument",
               "parameters": [{"name", "type", "default", "help"}], "facts": {name: text}}
    problems  {"plugin", "distribution", "stage", "message"}

A command fills the lists that it is about, and `problems` always; `facts` are told for one target at a time. What is
told of settings has a fourth list, `keys`, of {"key", "takes", "default", "description"}.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from biglearn_sampler.catalogue import KINDS, Catalogue, Offer, PluginProblem, PluginRecord
from biglearn_sampler.catalogue.building import NOTHING
from biglearn_sampler.catalogue.problems import CONTAINED, did_you_mean, told
from biglearn_sampler.cli.assignments import assignments
from biglearn_sampler.cli.session import catalogue_of
from biglearn_sampler.cli.tables import print_json, print_table
from biglearn_sampler.errors import CatalogueError, UserError

if TYPE_CHECKING:
    from biglearn_sampler.runs.settings_reference import SettingRow

PICTURE = "target_picture"
"""The report that `--plot` asks for."""

SETTINGS = "settings"
"""The kind of presets; the settings themselves are told with them."""

PLURALS: Mapping[str, str] = {kind: hook.removeprefix("biglearn_") for kind, hook in KINDS.items()}

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to an app."""
    app.command("plugins")(plugins)
    app.command("show")(show)


def plugins(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List plugins, what they offer, and those that failed."""
    records = catalogue_of(ctx).plugins
    if as_json:
        print_json(document_of(catalogue_of(ctx), plugins=records))
    else:
        print_table(("plugin", "distribution", "offers"), [row for record in records for row in _plugin_rows(record)])


def show(
    ctx: typer.Context,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="target, scheduler, ...; or their plural")],
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="name of one entry")] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", "--parameter", metavar="NAME=VALUE", help="parameter of a target; may be repeated"),
    ] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Draw a target, into NAME.png unless --out says where.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE.png", help="where --plot draws")] = None,
    as_json: AsJson = False,
) -> None:
    """List the entries of a kind, or tell all about one of them; draw a target."""
    catalogue = catalogue_of(ctx)
    singular = kind_named(kind)
    _check_options(singular, name, parameter, plot, out)
    if singular == SETTINGS and (keys := _keys(name)):
        _print_settings(catalogue, catalogue.offers(SETTINGS) if name is None else [], keys, as_json)
        return
    if name is None:
        offers = catalogue.offers(singular)
        if as_json:
            print_json(document_of(catalogue, offers=[(offer, {}) for offer in offers]))
        else:
            print_table(("name", "summary", "plugin"), map(_offer_row, offers))
        return
    if singular == SETTINGS:
        _check_preset(catalogue, name)
    offer = catalogue.find(singular, name)
    parameters = assignments("-p", parameter)
    facts = facts_of(catalogue, offer, parameters)
    path = out or Path(f"{offer.entry.name}.png")
    if plot:
        _draw(catalogue, offer, parameters, path)
    if as_json:
        print_json(document_of(catalogue, offers=[(offer, facts)]))
    else:
        _print_offer(offer, facts, parameters)
    if plot:
        typer.echo(f"\nThe picture is in {path}.", err=as_json)


def kind_named(text: str) -> str:
    """The kind that a word means, singular or plural.

    Raises:
        CatalogueError: no kind is called so.
    """
    for singular, plural in PLURALS.items():
        if text in (singular, plural) or f"{text}s" == plural:
            return singular
    near = did_you_mean(text, [*PLURALS, *PLURALS.values()])
    raise CatalogueError(f"there is no kind '{text}'{near} The kinds: {', '.join(PLURALS)}")


def facts_of(catalogue: Catalogue, offer: Offer, parameters: Mapping[str, str] = NOTHING) -> dict[str, str]:
    """What a target built with some parameters says about itself; nothing for other kinds.

    A target that cannot be built with its defaults, perhaps for want of a package, says why: its parameters are still
    shown.

    Raises:
        CatalogueError: it cannot be built with the parameters that the user gave.
    """
    if offer.kind != "target":
        return {}
    try:
        describe = getattr(catalogue.build(offer.kind, offer.qualified_name, parameters).value, "describe", None)
        return {} if describe is None else {str(name): str(text) for name, text in describe().items()}
    except CatalogueError as error:
        if parameters:
            raise
        return {"not known": str(error)}
    except CONTAINED as error:
        return {"not known": f"{offer.qualified_name}: describe() raised {told(error)}"}


def _check_options(kind: str, name: str | None, parameters: Sequence[str] | None, plot: bool, out: Path | None) -> None:
    """Options that belong to one target.

    Raises:
        UserError: they are given without one, or do not fit together.
    """
    given = {"-p": parameters, "--plot": plot, "--out": out}
    if (kind != "target" or name is None) and any(given.values()):
        option = next(option for option, value in given.items() if value)
        raise UserError(f"{option} is for one target: biglearn show target NAME {option} ...")
    if out is not None and not plot:
        raise UserError("--out says where --plot draws; give both")
    if out is not None and out.suffix != ".png":
        raise UserError(f"--out must be a file that ends in .png, got {out}")


def _draw(catalogue: Catalogue, offer: Offer, parameters: Mapping[str, str], path: Path) -> None:
    """Draw a target by the report that does so.

    Raises:
        CatalogueError: the target cannot be built, or there is no such report.
        UserError: the folder does not exist, or the file does already.
    """
    if path.exists():
        raise UserError(f"{path} exists already; give another --out, or remove it")
    if not path.absolute().parent.is_dir():
        raise UserError(f"there is no folder {path.absolute().parent} to draw into")
    target = catalogue.build(offer.kind, offer.qualified_name, parameters).value
    if not catalogue.build("report", PICTURE).value.draw_target(target, offer.entry.name, path):
        raise UserError(f"the report '{PICTURE}' does not draw targets")


def _keys(name: str | None) -> list[SettingRow]:
    """The setting of that key, or those of that section; all where there is no name."""
    from biglearn_sampler.runs.settings_reference import settings_reference

    return [row for row in settings_reference() if name is None or row.key == name or row.key.startswith(f"{name}.")]


def _check_preset(catalogue: Catalogue, name: str) -> None:
    """A name that is no preset may be nearly that of a setting or of a section.

    Raises:
        CatalogueError: it is.
    """
    keys = [row.key for row in _keys(None)]
    sections = {key.rpartition(".")[0] for key in keys} - {""}
    presets = {told for offer in catalogue.offers(SETTINGS) for told in (offer.entry.name, offer.qualified_name)}
    near = did_you_mean(name, [*keys, *sections])
    if name not in presets and "?" in near:
        raise CatalogueError(f"there is no setting, section or preset '{name}'{near}")


def _print_settings(catalogue: Catalogue, presets: Sequence[Offer], keys: Sequence[SettingRow], as_json: bool) -> None:
    """Presets, and the settings themselves."""
    if as_json:
        document = document_of(catalogue, offers=[(offer, {}) for offer in presets])
        print_json({**document, "keys": [row._asdict() for row in keys]})
        return
    if presets:
        print_table(("preset", "summary", "plugin"), map(_offer_row, presets))
        typer.echo("\nSettings by their keys, as --set takes them:\n")
    print_table(keys[0]._fields, keys)


def document_of(
    catalogue: Catalogue,
    *,
    plugins: Iterable[PluginRecord] = (),
    offers: Iterable[tuple[Offer, Mapping[str, str]]] = (),
    problems: Sequence[PluginProblem] | None = None,
) -> dict[str, list[Any]]:
    """The one schema of `--json`, described at the top of this module."""
    told_problems = catalogue.problems_met if problems is None else problems
    return {
        "plugins": [record.to_json() for record in plugins],
        "offers": [{**offer.to_json(), "facts": dict(facts)} for offer, facts in offers],
        "problems": [problem.to_json() for problem in told_problems],
    }


def _plugin_rows(record: PluginRecord) -> Iterator[tuple[str, str, str]]:
    distribution = f"{record.distribution} {record.version or ''}".rstrip()
    counted = ", ".join(_counted(kind, len(names)) for kind, names in record.offers.items())
    cells = [counted] if counted else []
    cells.extend(f"PROBLEM {problem.stage}: {problem.message}" for problem in record.problems)
    for cell in cells or ["no entries"]:
        yield record.name, distribution, cell


def _counted(kind: str, count: int) -> str:
    return f"{count} {kind if count == 1 else PLURALS[kind]}"


def _offer_row(offer: Offer) -> tuple[str, str, str]:
    return offer.entry.name, offer.entry.summary, offer.plugin


def _print_offer(offer: Offer, facts: Mapping[str, str], given: Mapping[str, str]) -> None:
    typer.echo(f"{offer.kind} {offer.qualified_name}: {offer.entry.summary}")
    if offer.entry.reference:
        typer.echo(f"reference: {offer.entry.reference}")
    if offer.entry.argument:
        typer.echo(f"short form: {offer.entry.name}:{offer.entry.argument.upper()}")
    typer.echo()
    if offer.definition:
        typer.echo(f"{offer.definition}\n")
    if offer.parameters:
        rows = [(each.name, each.type_text, repr(each.default), each.help) for each in offer.parameters]
        print_table(("parameter", "type", "default", "help"), rows)
    else:
        typer.echo("no parameters")
    if facts:
        typer.echo()
        how = ", ".join(f"{name}={value}" for name, value in given.items()) or "the default parameters"
        print_table(("facts", f"with {how}"), list(facts.items()))
