"""The published rows as data: TOML files, each a table of a source.

::

    title, source, note        of the table
    data = "shots"             for networks of rates; without, of classes of images
    yardstick = "dense"        the row whose time the others are set against
    cost = true                measure the peak memory of each row in a process of its own
    [as_published]             settings that its rows share; so [sound] and [best]
    [[row]]
    name, title
    published = { test_accuracy = 97.7, ... }   in %; epochs; seconds
    differs = "..."            what is known to differ from the source
    as_published, sound, best = { ... }         settings of each variant

A variant with a ``kind`` runs the published implementation (`learn.published.reference`, whose
`AsPublished` has its settings); all others are settings of ``[train]``. ``network`` names a file
of [[layer]] tables beside the table, and ``compress`` has the options of `stopflow compress`.
With ``tune = true`` rate and weight decay (out of ``decays``) are searched by validation first.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import stopflow
from stopflow.config import build_settings, read_config
from stopflow.errors import FormatError, SettingsError, require_key
from stopflow.learn.classify.train import CLASS_DEFAULTS, refuse_rates_only
from stopflow.learn.compress import Share
from stopflow.learn.published.reference import AsPublished
from stopflow.learn.published.runs import Truncated
from stopflow.learn.published.tuning import Tuned
from stopflow.learn.settings import TrainSettings
from stopflow.pipeline.networks.layer_files import parse_layers
from stopflow.report.models.reproduction import PublishedRow

VARIANTS: Final = ("as_published", "sound", "best")
Trainable = TrainSettings | AsPublished | Truncated
"""Settings of our loop, of the published implementation, or of our loop and a truncation."""
Variant = Trainable | Tuned
"""The same, or our loop at a rate and decay that are searched first."""

IMAGES: Final = "images"
SHOTS: Final = "shots"
TABLE_KEYS: Final = ("title", "source", "note", "data", "yardstick", "cost", *VARIANTS, "row")
ROW_KEYS: Final = ("name", "title", "published", "differs", *VARIANTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(PublishedRow):
    """A published row, and what is trained for it.

    Attributes
    ----------
    data
        ``"images"`` or ``"shots"``.
    variants
        What is trained: settings of our loop, or of the published implementation.
    yardstick
        Name of the row of the same table whose time this one's is set against; may be empty.
    cost
        Whether peak memory is measured.
    """

    data: str
    variants: Mapping[str, Variant]
    yardstick: str = ""
    cost: bool = False


def load_rows() -> tuple[Row, ...]:
    """Read all published tables of the project.

    Raises
    ------
    FormatError, SettingsError
        A file that is not TOML, or a key or value in it that is not valid.
    """
    found = sorted(published_folder().glob("*.toml"))
    tables = [path for path in found if b"[[row]]" in path.read_bytes()]
    return tuple(row for path in tables for row in _rows_of(path))


def choose_rows(rows: Sequence[Row], names: Sequence[str]) -> tuple[Row, ...]:
    """Return the rows that names of tables or rows ask for; all where there are none.

    Raises
    ------
    SettingsError
        A name that is neither; lists the tables.
    """
    for name in names:
        if not any(name in (row.name, _table_of(row)) for row in rows):
            tables = ", ".join(dict.fromkeys(map(_table_of, rows)))
            valid = f"{tables}, or one of their rows (stopflow reproduce --list)"
            raise SettingsError("NAME", name, valid=valid)
    return tuple(row for row in rows if not names or {row.name, _table_of(row)} & set(names))


def shortened(chosen: Variant, *, epochs: int | None) -> Variant:
    """Return a variant with another length where one is asked for.

    The budget of a method that is tuned has the training after a truncation in it.
    """
    if epochs is None:
        return chosen
    if isinstance(chosen, Tuned):
        if isinstance(chosen.asked, Truncated):
            epochs = max(epochs - chosen.asked.share.finetune, 1)
        asked = shortened(chosen.asked, epochs=epochs)
        return replace(chosen, asked=asked)  # type: ignore[arg-type]
    if isinstance(chosen, AsPublished):
        frozen = round(chosen.frozen_after * epochs / chosen.epochs)
        return replace(chosen, epochs=epochs, frozen_after=frozen)
    if isinstance(chosen, Truncated):
        return replace(chosen, settings=replace(chosen.settings, epochs=epochs))
    return replace(chosen, epochs=epochs)


def with_seed(chosen: Trainable, seed: int) -> Trainable:
    """Return a variant with a seed; the published implementation is given its own at its start."""
    if isinstance(chosen, AsPublished):
        return chosen
    if isinstance(chosen, Truncated):
        return replace(chosen, settings=replace(chosen.settings, seed=seed))
    return replace(chosen, seed=seed)


def describe_variant(chosen: Variant) -> dict[str, Any]:
    """Return how a variant is trained, and all settings that are not the usual ones."""
    if isinstance(chosen, Tuned):
        return {**describe_variant(chosen.asked), "tuned": list(chosen.decays)}
    if isinstance(chosen, Truncated):
        return {**describe_variant(chosen.settings), "compress": asdict(chosen.share)}
    usual = {item.name: item.default for item in fields(chosen) if item.default is not MISSING}
    changed = {
        name: value
        for name, value in asdict(chosen).items()
        if name not in usual or value != usual[name]
    }
    return {"how": "reference" if isinstance(chosen, AsPublished) else "ours", **changed}


def published_folder() -> Path:
    """Return where the tables lie: in the installed package, or in the source tree."""
    package = Path(stopflow.__file__).parent
    shipped = package / "shipped" / "published"
    return shipped if shipped.is_dir() else package.parent / "data" / "published"


def _table_of(row: Row) -> str:
    return row.name.partition("/")[0]


def _rows_of(path: Path) -> list[Row]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(path.name, found=str(error), expected="TOML with [[row]]") from error
    _require_keys(values, TABLE_KEYS, where=path.name)
    data = values.get("data", IMAGES)
    require_key(f"{path.name} data", data, (IMAGES, SHOTS))
    found = []
    for number, row in enumerate(values["row"], start=1):
        where = f"{path.name} [[row]] {number}"
        _require_keys(row, ROW_KEYS, where=where)
        for key in ("name", "title", "published"):
            if key not in row:
                raise SettingsError(f"{where} {key}", None, valid=f"each row has a {key}")
        variants = {
            name: _variant(
                {**values.get(name, {}), **row[name]},
                where=f"{where} {name}",
                beside=path.parent,
                data=data,
            )
            for name in VARIANTS
            if name in row
        }
        found.append(
            Row(
                name=f"{path.stem}/{row['name']}",
                title=row["title"],
                table=values["title"],
                source=values["source"],
                data=data,
                published=row["published"],
                yardstick=f"{path.stem}/{values['yardstick']}" if "yardstick" in values else "",
                cost=bool(values.get("cost", False)),
                differs=" ".join(filter(None, (row.get("differs"), values.get("note")))),
                variants=variants,
            )
        )
    return found


def _variant(values: dict[str, Any], *, where: str, beside: Path, data: str) -> Variant:
    if data == SHOTS:
        return build_settings(TrainSettings, values, where=where)
    if "kind" in values:
        return build_settings(AsPublished, values, where=where)
    chosen = dict(values)
    tuned, decays = chosen.pop("tune", False), tuple(chosen.pop("decays", (0.0,)))
    share = chosen.pop("compress", None)
    network = chosen.pop("network", None)
    if network is not None:
        tables = parse_layers(read_config(beside / network).get("layer"), where=network)
        chosen |= {"layers": tables.layers, "inputs": tables.inputs}
    refuse_rates_only(chosen)
    settings = build_settings(TrainSettings, {**CLASS_DEFAULTS, **chosen}, where=where)
    asked: TrainSettings | Truncated = settings
    if share is not None:
        kept = build_settings(Share, share, where=f"{where} compress")
        asked = Truncated(settings=settings, share=kept)
    return Tuned(asked=asked, decays=decays) if tuned else asked


def _require_keys(values: Mapping[str, Any], valid: Sequence[str], *, where: str) -> None:
    for key in values:
        require_key(f"{where} key", key, valid)
