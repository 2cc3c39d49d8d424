"""Write docs/commands/NAME.md from the help of each command: python docs/make_command_pages.py."""

import os
from pathlib import Path

import typer
from typer.testing import CliRunner

PAGES = Path(__file__).parent / "commands"
COMPLETION = (
    "Completion with the Tab key: `stopflow --install-completion` once, then a new terminal",
    "(bash, zsh, fish, PowerShell). Colours go with `NO_COLOR=1`, all words but errors with",
    "`--quiet`; `--json` prints the result for programs.",
)


def command_paths(command: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """List every command of the program as its words, groups opened."""
    inner = getattr(command, "commands", None)
    if inner is None:
        return [path]
    return [found for name in inner for found in command_paths(inner[name], (*path, name))]


def page(words: tuple[str, ...]) -> str:
    """Return the page of one command."""
    from stopflow.cli import app

    drawn = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "80", "NO_COLOR": "1"})
    lines = [line.rstrip() for line in drawn.output.strip("\n").splitlines()]
    name = " ".join(("stopflow", *words))
    return f"# {name}\n\n```\n" + "\n".join(lines).strip("\n") + "\n```\n"


def pages() -> dict[str, str]:
    """Return file name -> text for every command, and the index."""
    from stopflow.cli import app

    os.environ["TERMINAL_WIDTH"] = "80"
    words = command_paths(typer.main.get_command(app))
    texts = {"-".join(path) + ".md": page(path) for path in words}
    index = ["# Commands", ""]
    index += [f"- [stopflow {' '.join(path)}]({'-'.join(path)}.md)" for path in words]
    return {**texts, "README.md": "\n".join([*index, "", *COMPLETION]) + "\n"}


def main() -> None:
    """Write every page; remove pages of commands that are gone."""
    PAGES.mkdir(exist_ok=True)
    texts = pages()
    for old in PAGES.glob("*.md"):
        if old.name not in texts:
            old.unlink()
    for name, text in texts.items():
        (PAGES / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
