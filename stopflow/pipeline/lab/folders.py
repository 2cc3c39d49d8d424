"""The experiment folders of a lab, and their names in tables."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from stopflow.errors import StopflowError
from stopflow.io.folder import LabFolders, find_lab
from stopflow.io.text import shown_name


def find_folders(root: Path, *, out: Path) -> tuple[LabFolders, list[tuple[Path, str]]]:
    """Return what is below `root`, and its experiment folders with how tables name them.

    Raises
    ------
    StopflowError
        When there is none.
    """
    if not root.exists():
        raise StopflowError(f"{root} does not exist; give a folder that holds trace files")
    if not root.is_dir():
        raise StopflowError(
            f"{root} is a file; give its folder, {root.parent}, or use: stopflow fit {root}"
        )
    lab = find_lab(root, passed_over=[out])
    if not lab.experiments:
        seen = "; ".join(str(problem) for problem in lab.problems[:3])
        raise StopflowError(
            f"no trace files in {root} or below it; is it the right folder? "
            + (f"There is: {seen}. " if seen else "")
            + "The formats that are read: stopflow formats"
        )
    return lab, list(zip(lab.experiments, _names(root, lab.experiments), strict=True))


def _names(root: Path, folders: Sequence[Path]) -> list[str]:
    """Name experiments after their folders, those of one name by their way below `root`."""
    top = root.resolve().name if root.name in ("", "..") else root.name
    names = [shown_name(top if folder == root else folder.name) for folder in folders]
    times = Counter(names)
    above = Path(top if root in folders else "")
    return [
        name if times[name] == 1 else shown_name((above / folder.relative_to(root)).as_posix())
        for folder, name in zip(folders, names, strict=True)
    ]
