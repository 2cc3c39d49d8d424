"""The table of readers."""

from dataclasses import dataclass
from typing import Protocol

from stopflow.io.readers import (
    bio_kine,
    bio_kine_3d,
    columns,
    diode_array,
    jasco,
    kinetic_studio,
    kintek,
    olis,
    pro_data_csv,
    pro_data_store,
    sheets,
    uv_vis,
)
from stopflow.io.readers.marks import Mark
from stopflow.trace import Recording


class Parse(Protocol):
    """Bytes of a file to recordings, one a push."""

    def __call__(self, data: bytes, *, name: str, time_unit: str | None) -> tuple[Recording, ...]:
        """Parse the bytes of the file `name`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A format.

    Attributes
    ----------
    noun
        What a user calls it.
    endings
        Usual endings of its files; they decide nothing.
    time
        Where its unit of time comes from.
    marks
        What a content of this format has; see `stopflow.io.readers.marks`.
    parse
        None for workbooks, which are divided sheet by sheet.
    example
        The text of a small file: it is shown on a page of the documentation, and the tests read
        it, whole and damaged.
    """

    noun: str
    endings: tuple[str, ...]
    time: str
    marks: tuple[Mark, ...]
    parse: Parse | None
    example: str = ""

    @property
    def short(self) -> str:
        """The first words of `noun`, for a message."""
        return self.noun.partition(" (")[0].partition(":")[0]


_STATED, _SECONDS = "stated in the file", "seconds"
READERS: dict[str, Reader] = {
    bio_kine.KEY: Reader(
        noun="Bio-Kine ASCII (BioLogic)",
        endings=(".bka",),
        time="stated in the file; else --time-unit, else ms with a warning",
        marks=bio_kine.MARKS,
        parse=bio_kine.parse,
        example=bio_kine.EXAMPLE,
    ),
    bio_kine_3d.KEY: Reader(
        noun="Bio-Kine 3-D ASCII (BioLogic)",
        endings=(".bk3a",),
        time=_SECONDS,
        marks=bio_kine_3d.MARKS,
        parse=bio_kine_3d.parse,
        example=bio_kine_3d.EXAMPLE,
    ),
    pro_data_csv.KEY: Reader(
        noun="Pro-Data CSV (Applied Photophysics)",
        endings=(".csv",),
        time=_SECONDS,
        marks=pro_data_csv.MARKS,
        parse=pro_data_csv.parse,
        example=pro_data_csv.EXAMPLE,
    ),
    pro_data_store.KEY: Reader(
        noun="Pro-Data text (Applied Photophysics)",
        endings=(".dsa",),
        time=_SECONDS,
        marks=pro_data_store.MARKS,
        parse=pro_data_store.parse,
        example=pro_data_store.EXAMPLE,
    ),
    kinetic_studio.KEY: Reader(
        noun="Kinetic Studio CSV (TgK / Hi-Tech)",
        endings=(".csv",),
        time=_SECONDS,
        marks=kinetic_studio.MARKS,
        parse=kinetic_studio.parse,
        example=kinetic_studio.EXAMPLE,
    ),
    olis.KEY: Reader(
        noun="OLIS 3-D ASCII",
        endings=(".o3a", ".csv", ".txt"),
        time=_SECONDS,
        marks=olis.MARKS,
        parse=olis.parse,
        example=olis.EXAMPLE,
    ),
    jasco.KEY: Reader(
        noun="JASCO text: time courses and interval scans",
        endings=(".txt", ".csv"),
        time="stated in the file; minutes in interval scans",
        marks=jasco.MARKS,
        parse=jasco.parse,
        example=jasco.EXAMPLE,
    ),
    uv_vis.KEY: Reader(
        noun="UV-Vis kinetics CSV",
        endings=(".csv",),
        time=_STATED,
        marks=uv_vis.MARKS,
        parse=uv_vis.parse,
        example=uv_vis.EXAMPLE,
    ),
    diode_array.KEY: Reader(
        noun="diode-array CSV (times and wavelengths)",
        endings=(".csv", ".txt"),
        time="stated in the file; else seconds",
        marks=diode_array.MARKS,
        parse=diode_array.parse,
        example=diode_array.EXAMPLE,
    ),
    kintek.KEY: Reader(
        noun="KinTek Explorer text",
        endings=(".txt",),
        time="--time-unit",
        marks=kintek.MARKS,
        parse=kintek.parse,
        example=kintek.EXAMPLE,
    ),
    columns.KEY: Reader(
        noun="plain columns of text: CSV, TSV, TXT",
        endings=(".csv", ".tsv", ".txt", ".dat", ".asc"),
        time="stated in the file; else --time-unit",
        marks=columns.MARKS,
        parse=columns.parse,
        example=columns.EXAMPLE,
    ),
    sheets.KEY: Reader(
        noun="workbook with a time column and a column a shot",
        endings=(".xlsx", ".xls", ".ods"),
        time="stated in the sheet; else --time-unit",
        marks=sheets.MARKS,
        parse=None,
    ),
}
"""Key -> reader, the most specific first; the first that recognises a content reads it."""

TRACE_ENDINGS = (".bka", ".bk3a", ".dsa", ".o3a")
"""A file with one of these endings that no reader recognises is an error."""
