"""Small valid files of every kind that io reads, and attacks on its readers with mutations of them.

The xls and ods files are made here, byte by byte, because the program writes neither.
"""

import io
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from fuzz import Attack, Mutation, attack, mutate, mutate_packed

from stopflow.io.bka.format import parse_bka, write_bka
from stopflow.io.workbook import grid
from stopflow.io.workbook.book import read_book
from stopflow.io.workbook.grid import read_sheets
from stopflow.io.workbook.names import FileNames
from stopflow.io.workbook.reader_process import Limits, ReaderProcess
from stopflow.io.workbook.workbook import merge_rows

FILES = ("s1.bka", "s2.bka", "s3.bka")
ROWS = (
    ("Filename", "x_start (ms)", "Rate (s-1)", "[S] (µM)", "T / °C"),
    ("s1.bka", 15.0, 1.5, 10.0, 25.0),
    ("s2.bka", "15,5", "2.5 ± 0.1", "20 µM", "ca. 25"),
    ("s3.bka", 16.0, 3.5, 30.0, 25.0),
)
SECONDS = 1.0
"""Time for one workbook in an attack, where the program gives 10 s."""


def bka_seeds() -> list[bytes]:
    """Bio-Kine files of one and of two signals, with TABs and with blanks, and in UTF-16."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.bka"
        write_bka(path, time=[0, 0.5, 1], signals=[8.5, 8.25, 8], comments=["pH 7", "25 °C"])
        single = path.read_bytes()
        write_bka(path, time=[0, 1e-3], signals=[[1, 2], [687, 688]], signal_units=("Volt", "HV"))
        double = path.read_bytes()
    head, rows = single.split(b'"_DATA"')
    blanks = head + b'"_DATA"' + rows.replace(b"\t", b"  ").replace(b".", b",")
    return [single, double, blanks, single.decode("cp1252").encode("utf-16")]


def xlsx_seed() -> bytes:
    """A workbook with a formula, merged cells, a number format, and nothing that is not needed."""
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    kinds = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    packages = "http://schemas.openxmlformats.org/package/2006"
    rows = ""
    for number, row in enumerate(ROWS, 1):
        cells = (
            _xlsx_cell(letter, cell, number) for letter, cell in zip("ABCDE", row, strict=True)
        )
        rows += f'<row r="{number}">{"".join(cells)}</row>'
    rows += '<row r="5" hidden="1"><c r="C5"><f>C4*2+C2</f></c></row>'
    parts = {
        "[Content_Types].xml": (
            f'<Types xmlns="{packages}/content-types">'
            f'<Override PartName="/xl/workbook.xml" ContentType="{kinds}.sheet.main+xml"/>'
            f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kinds}.worksheet+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{kinds}.styles+xml"/></Types>'
        ),
        "_rels/.rels": (
            f'<Relationships xmlns="{packages}/relationships"><Relationship Id="rId1" '
            f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
        ),
        "xl/_rels/workbook.xml.rels": (
            f'<Relationships xmlns="{packages}/relationships"><Relationship Id="rId1" '
            f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" '
            f'Type="{office}/styles" Target="styles.xml"/></Relationships>'
        ),
        "xl/workbook.xml": (
            f'<workbook {main} xmlns:r="{office}"><sheets>'
            '<sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>'
        ),
        "xl/styles.xml": (
            f'<styleSheet {main}><numFmts count="1"><numFmt numFmtId="164" '
            'formatCode="0.0&quot; µM&quot;"/></numFmts><fonts count="1"><font/></fonts>'
            '<fills count="1"><fill><patternFill/></fill></fills>'
            '<borders count="1"><border/></borders>'
            '<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="2"><xf/>'
            '<xf numFmtId="164"/></cellXfs></styleSheet>'
        ),
        "xl/worksheets/sheet1.xml": (
            f'<worksheet {main}><dimension ref="A1:E5"/><sheetData>{rows}</sheetData>'
            '<mergeCells count="1"><mergeCell ref="E2:E4"/></mergeCells></worksheet>'
        ),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _xlsx_cell(column: str, cell: float | str, number: int) -> str:
    if isinstance(cell, str):
        return f'<c r="{column}{number}" t="inlineStr"><is><t>{cell}</t></is></c>'
    style = ' s="1"' if column == "D" else ""
    return f'<c r="{column}{number}"{style}><v>{cell}</v></c>'


def csv_seeds() -> list[bytes]:
    """Text tables with commas, with semicolons and decimal commas, and with TABs in UTF-16."""
    lines = [[str(cell) for cell in row] for row in ROWS]
    commas = "\r\n".join(",".join(f'"{cell}"' for cell in line) for line in lines)
    semicolons = "T = 25 °C;;;;\n" + "\n".join(";".join(line).replace(".", ",") for line in lines)
    tabs = "\n".join("\t".join(line) for line in lines)
    return [commas.encode(), semicolons.encode("cp1252"), tabs.encode("utf-16")]


def ods_seed() -> bytes:
    """An OpenDocument sheet."""
    namespaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    rows = "".join(
        f"<table:table-row>{''.join(map(_ods_cell, row))}</table:table-row>" for row in ROWS
    )
    content = (
        f"<office:document-content {namespaces}><office:body><office:spreadsheet>"
        f'<table:table table:name="Sheet1">{rows}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = (
        '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/>'
        "</manifest:manifest>"
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("mimetype", kind)
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", manifest)
    return packed.getvalue()


def _ods_cell(cell: float | str) -> str:
    if isinstance(cell, str):
        kind, value = "string", ""
    else:
        kind, value = "float", f' office:value="{cell}"'
    return (
        f'<table:table-cell office:value-type="{kind}"{value}><text:p>{cell}</text:p>'
        "</table:table-cell>"
    )


def xls_seed() -> bytes:
    """A BIFF8 workbook of one sheet in a compound file of 512-byte sectors."""
    sheet = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0, 0, 0, 6))
    sheet += _record(0x0200, struct.pack("<IIHHH", 0, len(ROWS), 0, len(ROWS[0]), 0))
    for number, row in enumerate(ROWS):
        for column, cell in enumerate(row):
            place = struct.pack("<HHH", number, column, 0)
            if isinstance(cell, str):
                text = struct.pack("<HB", len(cell), 1) + cell.encode("utf-16-le")
                sheet += _record(0x0204, place + text)
            else:
                sheet += _record(0x0203, place + struct.pack("<d", cell))
    sheet += _record(0x000A, b"")
    beginning = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0, 0, 0, 6))
    beginning += _record(0x0042, struct.pack("<H", 1200))
    name = b"Sheet1"
    offset = len(beginning) + 4 + 8 + len(name) + 4
    bound = struct.pack("<IBBBB", offset, 0, 0, len(name), 0) + name
    workbook = beginning + _record(0x0085, bound) + _record(0x000A, b"") + sheet
    return _compound_file(workbook.ljust(4096, b"\0"))


def _record(kind: int, content: bytes) -> bytes:
    return struct.pack("<HH", kind, len(content)) + content


def _compound_file(stream: bytes) -> bytes:
    """Pack one stream: header, a sector of the allocation table, a directory sector, the stream."""
    free, end, table = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
    sectors = -(-len(stream) // 512)
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack(
        "<HHHHH6xIIIIIIIII", 62, 3, 0xFFFE, 9, 6, 0, 1, 1, 0, 4096, end, 0, end, 0
    )
    header += struct.pack("<I", 0) + struct.pack("<I", free) * 108
    chain = [table, end, *range(3, sectors + 2), end]
    allocation = struct.pack("<128I", *chain, *[free] * (128 - len(chain)))
    directory = _entry("Root Entry", kind=5, child=1, start=end, size=0)
    directory += _entry("Workbook", kind=2, child=free, start=2, size=len(stream))
    directory += _entry("", kind=0, child=free, start=0, size=0) * 2
    return header + allocation + directory + stream.ljust(512 * sectors, b"\0")


def _entry(name: str, *, kind: int, child: int, start: int, size: int) -> bytes:
    free = 0xFFFFFFFF
    written = (name + "\0").encode("utf-16-le") if name else b""
    return (
        written.ljust(64, b"\0")
        + struct.pack("<HBBIII", len(written), kind, 1, free, free, child)
        + bytes(36)
        + struct.pack("<IQ", start, size)
    )


def attack_bka(count: int) -> Attack:
    """Give mutated Bio-Kine files to the reader; its barrier must have nothing to do."""

    def read(data: bytes) -> None:
        recorded = parse_bka(data, name="a.bka")
        if len(recorded.signals):
            recorded.trace()

    return attack(read, bka_seeds(), count=count, seed=1)


def attack_book(
    seeds: list[bytes], name: str, count: int, *, seed: int, change: Mutation = mutate
) -> Attack:
    """Give mutated workbooks to the readers of sheets, and the sheets to those of tables.

    The barrier of a workbook may hide the failures of a format's library, not our own ones.
    """
    files = FileNames(FILES)
    grid.READER = ReaderProcess(Limits(seconds=SECONDS))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name

        def read(data: bytes) -> None:
            path.write_bytes(data)
            sheets = read_sheets(path)
            reading = read_book(path, files, sheets_of=lambda _: sheets)
            hidden = [item for item in reading.problems if "cannot be read" in item.found]
            if hidden:
                raise AssertionError(str(hidden[0]))
            rows = [row for table in reading.tables for row in table.rows]
            if rows:
                merge_rows(rows)

        try:
            return attack(read, seeds, count=count, seed=seed, change=change)
        finally:
            grid.READER.end()


def attack_xlsx(count: int) -> Attack:
    return attack_book([xlsx_seed()], "start_values.xlsx", count, change=mutate_packed, seed=2)


def attack_ods(count: int) -> Attack:
    return attack_book([ods_seed()], "start_values.ods", count, change=mutate_packed, seed=3)


def attack_xls(count: int) -> Attack:
    return attack_book([xls_seed()], "start_values.xls", count, seed=4)


def attack_csv(count: int) -> Attack:
    return attack_book(csv_seeds(), "start_values.csv", count, seed=5)


ATTACKS: dict[str, Callable[[int], Attack]] = {
    "bka": attack_bka,
    "xlsx": attack_xlsx,
    "xls": attack_xls,
    "ods": attack_ods,
    "csv": attack_csv,
}
