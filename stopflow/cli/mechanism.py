"""The command that fits a mechanism to a folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stopflow.cli.console import warn
from stopflow.cli.options import REPORTS, Figures, Paper, ReportsFolder
from stopflow.cli.voice import Voice, speaks
from stopflow.errors import SettingsError

if TYPE_CHECKING:
    from stopflow.mechanism.results import FittedFolder


app = typer.Typer()


@app.command(
    epilog='Example: stopflow mechanism data/fe_scn --scheme "Fe + SCN <=> FeSCN" '
    '--initial "Fe=concentration" --eyring'
)
@speaks
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
        typer.Option(
            "--relation",
            help="Fix, tie or bound constants: k-1/k1 = 2e-6, k1 <= 1e9; K1 = k-1/k1 names one.",
        ),
    ] = None,
    eyring: Annotated[
        bool, typer.Option("--eyring", help="Constants follow Eyring's law with temperature.")
    ] = False,
    drift: Annotated[bool, typer.Option("--drift", help="Every shot has a linear drift.")] = False,
    response: Annotated[
        str | None,
        typer.Option(
            "--response", help="Molar responses: shared by all shots, of each, or by 'column NAME'."
        ),
    ] = None,
    rank: Annotated[
        bool,
        typer.Option(
            "--rank", help="Compare known schemes; S is what the workbook varies, E its partner."
        ),
    ] = False,
    sbml: Annotated[
        bool, typer.Option("--sbml", help="Write mechanism.xml, too, for COPASI and others.")
    ] = False,
    reports: ReportsFolder = REPORTS,
    paper: Paper = "a4",
    figures: Figures = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the search for the minimum.")] = 0,
    voice: Voice,
) -> None:
    """Fit a reaction scheme to all shots at once; say which constants the data determine."""
    from stopflow.mechanism.sbml import require_libsbml
    from stopflow.pipeline.mechanism.outputs import as_dict, place_mechanism
    from stopflow.pipeline.mechanism.run import fit_folder, rank_folder
    from stopflow.pipeline.mechanism.settings import mechanism_settings

    own = {"--scheme": scheme, "--observe": observe, "--relation": relation, "--drift": drift}
    for name, value in own.items() if rank else ():
        if value:
            word = name.removeprefix("--")
            raise SettingsError(
                name, value, valid=f"no {word} beside --rank, which tries many schemes"
            )
    if sbml:
        require_libsbml()
    settings = mechanism_settings(
        folder,
        needs_scheme=not rank,
        scheme=scheme,
        initial=_pairs(initial or ()),
        observe=tuple(observe or ()),
        relations=tuple(relation or ()),
        eyring=eyring or None,
        drift=drift or None,
        response=response,
    )
    with voice.progress() as progress:
        work = rank_folder if rank else fit_folder
        found = work(folder, settings, seed=seed, progress=progress)
        written, set_aside = place_mechanism(
            found,
            reports,
            folder=folder,
            settings=settings,
            seed=seed,
            paper=paper,
            figures=figures,
            sbml=sbml,
            progress=progress,
        )
    voice.set_aside(set_aside)
    voice.result(lambda: as_dict(found))
    if not voice.as_json:
        _show(voice, found)
    voice.written(written)
    if not found.ok:
        raise typer.Exit(1)


def _show(voice: Voice, found: "FittedFolder") -> None:
    from stopflow.pipeline.mechanism.outputs import ranking_table, terminal_table
    from stopflow.report.mechanism.numbers import describe_proposals

    if found.ranking:
        voice.table(*ranking_table(found), names_whole=True)
    for group in found.groups:
        voice.table(*terminal_table(group), title=group.label or None)
    for group in found.groups:
        for sentence in group.sentences():
            warn(sentence)
        for advice in describe_proposals(group.proposals):
            voice.say(f"{group.label}: {advice}" if group.label else advice)
    for remark in found.remarks:
        warn(remark)
    voice.problems(found.left_out)
    for group in found.groups:
        voice.say(group.headline())


def _pairs(texts: list[str] | tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise SettingsError("--initial", text, valid="SPECIES=CONCENTRATION, e.g. E=1 uM")
        if name.strip() in found:
            raise SettingsError("--initial", text, valid=f"one concentration of {name.strip()}")
        found[name.strip()] = value.strip()
    return found
