"""The command that fits a mechanism to a folder."""

from pathlib import Path
from typing import Annotated

import typer

from stopflow.cli.console import Debug, Json, Quiet, progress_bar, say, say_json, say_table, warn
from stopflow.errors import SettingsError


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        epilog='Example: stopflow mechanism data/fe_scn --scheme "Fe + SCN <=> FeSCN" '
        '--initial "Fe=concentration" --eyring'
    )(mechanism)


def mechanism(
    folder: Annotated[Path, typer.Argument(help="A folder of shots, or of such folders.")],
    *,
    scheme: Annotated[
        str | None,
        typer.Option("--scheme", help="E + S <=> ES -> E + P; chains are separated by ;"),
    ] = None,
    initial: Annotated[
        list[str] | None,
        typer.Option(
            "--initial",
            help="Concentration after mixing: E=1 uM, S=concentration or S=column NAME.",
        ),
    ] = None,
    observe: Annotated[
        list[str] | None, typer.Option("--observe", help="Species that the detector sees.")
    ] = None,
    relation: Annotated[
        list[str] | None,
        typer.Option("--relation", help="Fix or tie constants: k-1/k1 = 2e-6."),
    ] = None,
    eyring: Annotated[
        bool, typer.Option("--eyring", help="Constants follow Eyring's law with temperature.")
    ] = False,
    drift: Annotated[bool, typer.Option("--drift", help="Every shot has a linear drift.")] = False,
    response: Annotated[
        str | None, typer.Option("--response", help="shared by all shots, or of each shot.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the search for the minimum.")] = 0,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Fit a reaction scheme to all shots at once; say what the data determine and what not."""
    from stopflow.pipeline.mechanism import fit_folder, mechanism_settings

    settings = mechanism_settings(
        folder,
        scheme=scheme,
        initial=_pairs(initial or ()),
        observe=tuple(observe or ()),
        relations=tuple(relation or ()),
        eyring=eyring or None,
        drift=drift or None,
        response=response,
    )
    with progress_bar(quiet=quiet or as_json) as progress:
        fitted = fit_folder(folder, settings, seed=seed, progress=progress)
    if as_json:
        say_json(fitted.as_dict())
    else:
        columns, rows = fitted.table()
        if not quiet:
            say_table(columns, rows)
        for sentence in (*fitted.determination.sentences, *fitted.left_out):
            warn(sentence)
        say(fitted.headline(), quiet=quiet)
    if not fitted.fit.ok or fitted.left_out:
        raise typer.Exit(1)


def _pairs(texts: list[str] | tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise SettingsError("--initial", text, valid="SPECIES=CONCENTRATION, e.g. E=1 uM")
        found[name.strip()] = value.strip()
    return found
