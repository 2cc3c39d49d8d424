"""Write docs/columns.md from the schema of the tables: python docs/make_columns_page.py."""

from pathlib import Path

PAGE = Path(__file__).parent / "columns.md"
INTRODUCTION = """# Columns of the tables

`rates.csv` and the sheet `shots` of `rates.xlsx` have one row a shot, the other sheets one row a
condition, a parameter, or a problem. Times are in s, rates in s⁻¹, concentrations in mol/L and
temperatures in K; the signal keeps the unit that the files give it. `rates.xlsx` has the columns
`concentration`, `ionic strength` and `temperature` instead, in the units of the lab, as the report
does. A missing number is an empty cell. Columns of the lab's own workbooks that the program does
not know follow under their own headers with `workbook: ` before them, so that none of them can
stand for a result.
"""


def page() -> str:
    """Return the page."""
    from stopflow.schema import COLUMNS, STORAGE_COLUMNS, TABLES

    parts = [INTRODUCTION]
    for table, names in TABLES.items():
        rows = [
            f"| `{name}` | {COLUMNS[name].unit} | {COLUMNS[name].meaning} |"
            for name in names
            if name not in STORAGE_COLUMNS
        ]
        parts.append(
            "\n".join([f"## {table}", "", "| column | unit | meaning |", "|---|---|---|", *rows])
        )
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
