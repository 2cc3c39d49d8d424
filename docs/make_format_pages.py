"""Write the pages about formats from the table of readers: python docs/make_format_pages.py."""

from pathlib import Path

PAGE = Path(__file__).parent / "formats.md"
EXAMPLES_PAGE = Path(__file__).parent / "format_examples.md"
EXAMPLES = Path(__file__).parent / "examples"
BEGIN, END = "<!-- the list of readers -->\n", "<!-- end of the list -->\n"
INTRODUCTION = """# A small file of each format

The files in `docs/examples/`, whole. `<TAB>` is one character.
A workbook holds the same as `columns`, a sheet a table.
"""


def page() -> str:
    """Return the page of formats with its list of readers made anew."""
    from stopflow.io.readers.table import READERS

    rows = [
        f"| `{key}` | {reader.noun} | {' '.join(f'`{end}`' for end in reader.endings)} "
        f"| {reader.time.replace('--time-unit', '`--time-unit`')} |"
        for key, reader in READERS.items()
    ]
    head = ["| key | files | usual endings | unit of time |", "|---|---|---|---|"]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return before + BEGIN + "\n".join([*head, *rows]) + "\n" + END + rest.partition(END)[2]


def examples() -> str:
    """Return the page of examples."""
    from stopflow.io.readers.table import READERS

    parts = [INTRODUCTION]
    for key, reader in READERS.items():
        if reader.parse is not None:
            text = (EXAMPLES / f"{key}.txt").read_text(encoding="utf-8")
            shown = text.replace("\t", "<TAB>").rstrip("\n")
            parts.append(f"## {key}\n\n{reader.noun}.\n\n```\n{shown}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    EXAMPLES_PAGE.write_text(examples(), encoding="utf-8")
