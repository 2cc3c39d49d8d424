"""Reports name columns by the constants of `stopflow.column_names`, all columns of the schema."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from stopflow import column_names
from stopflow.schema import COLUMNS

REPORT = Path(__file__).parents[2] / "stopflow" / "report"
MODULES = [
    path
    for folder in ("kinetics", "tables", "models", "paper", "mechanism")
    for path in sorted((REPORT / folder).glob("*.py"))
]
OF_TABLES = {"get", "groupby", "sort_values", "drop", "drop_duplicates", "merge", "set_index"}
"""Methods of tables whose arguments are names of columns."""


def spelled(tree: ast.Module) -> Iterator[ast.Constant]:
    """Yield the literals that name a column: all with a unit or two words, and all indices."""
    above = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Constant) and node.value in set(COLUMNS)):
            continue
        inner: ast.AST = node
        outer = above[node]
        while isinstance(outer, ast.Tuple | ast.List):
            inner, outer = outer, above[outer]
        index = isinstance(outer, ast.Subscript) and inner is outer.slice
        called = isinstance(outer, ast.Call) and isinstance(outer.func, ast.Attribute)
        if "_" in str(node.value) or index or (called and outer.func.attr in OF_TABLES):
            yield node


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_report_spells_the_name_of_a_column(path: Path) -> None:
    found = [(node.lineno, node.value) for node in spelled(ast.parse(path.read_text("utf-8")))]
    assert found == []


def test_the_constants_are_columns_of_the_schema() -> None:
    constants = {name: value for name, value in vars(column_names).items() if name.isupper()}
    assert set(constants.values()) <= set(COLUMNS)
    assert all(name == value.upper() for name, value in constants.items())


def test_the_search_finds_what_it_looks_for() -> None:
    text = 'a["file"]; b.get("law"); c = "k_per_s"; d.groupby(["file", "x"]); e = "file"'
    found = sorted(node.value for node in spelled(ast.parse(text)))
    assert found == ["file", "file", "k_per_s", "law"]
