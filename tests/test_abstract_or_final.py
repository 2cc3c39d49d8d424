"""Abstract or final: no class overrides a method that another class of the package has written out.

Whoever reads a method then knows that it is what runs. Methods of other libraries' classes are
theirs to override, and so are those of Python itself, such as ``__init__``.
"""

import ast
from pathlib import Path

import stopflow

PACKAGE = Path(stopflow.__file__).parent
Classes = dict[str, tuple[list[str], dict[str, ast.FunctionDef]]]


def _classes() -> Classes:
    """Classes of the package by name: names of their bases, and their own methods."""
    found: Classes = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases = [ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases]
                methods = {
                    item.name: item for item in node.body if isinstance(item, ast.FunctionDef)
                }
                found[node.name] = bases, methods
    return found


def _is_abstract(method: ast.FunctionDef) -> bool:
    """Whether a method is only declared: by its decorator, or with nothing to run."""
    marked = any(ast.unparse(item).endswith("abstractmethod") for item in method.decorator_list)
    body = [item for item in method.body if not isinstance(item, ast.Expr)]
    return marked or all(ast.unparse(item) == "raise NotImplementedError" for item in body)


def overridden(classes: Classes) -> list[str]:
    """Methods that are written out in a class and again in one that inherits from it."""
    found = []
    for name, (bases, methods) in classes.items():
        above, seen = list(bases), set()
        while above:
            base = above.pop()
            if base in seen or base not in classes:
                continue
            seen.add(base)
            found += [
                f"{name}.{method} overrides that of {base}"
                for method in methods
                if not method.startswith("__")
                and method in classes[base][1]
                and not _is_abstract(classes[base][1][method])
            ]
            above += classes[base][0]
    return found


def test_no_written_method_is_overridden() -> None:
    classes = _classes()
    assert len(classes) > 300
    assert overridden(classes) == []


def test_an_overridden_method_is_found() -> None:
    text = "class A:\n    def f(self): return 1\nclass B(A):\n    def f(self): return 2\n"
    parsed = {
        node.name: (
            [ast.unparse(base) for base in node.bases],
            {item.name: item for item in node.body if isinstance(item, ast.FunctionDef)},
        )
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef)
    }
    assert overridden(parsed) == ["B.f overrides that of A"]
