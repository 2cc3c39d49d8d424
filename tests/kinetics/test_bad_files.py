"""Files with every fault a lab can produce: a reason each, never PASS, and still a report."""

from pathlib import Path

import numpy as np
import pytest

from stopflow.errors import FormatError
from stopflow.io.bka.format import write_bka
from stopflow.pipeline.lab.ingest import IngestSettings, ingest
from stopflow.pipeline.one_file.single import fit_file
from stopflow.pipeline.reports import write_reports

pytestmark = pytest.mark.whole

TIME = np.linspace(0.0, 0.5, 401)


def _noisy(signal: np.ndarray, *, seed: int = 1) -> np.ndarray:
    return signal + 0.01 * np.random.default_rng(seed).standard_normal(len(TIME))


DECAY = _noisy(np.exp(-20 * TIME))
SWAPPED = np.r_[np.arange(100), 101, 100, np.arange(102, 401)]
TRACES = {
    "constant": (TIME, np.full(401, 2.5)),
    "zero": (TIME, np.zeros(401)),
    "repeated": (np.r_[TIME[:100], TIME[99:-1]], DECAY),
    "swapped": (TIME[SWAPPED], DECAY),
    "backwards": (TIME[::-1], DECAY),
    "huge": (TIME, 1e300 * DECAY),
    "too slow": (TIME, _noisy(np.exp(-0.002 * TIME))),
    "slow": (TIME, _noisy(np.exp(-0.6 * TIME))),
    "too fast": (TIME, _noisy(np.exp(-5000 * TIME))),
    "noise": (TIME, np.random.default_rng(2).standard_normal(401)),
    "straight": (TIME, 2 + 3 * TIME),
    "growth": (TIME, np.exp(6 * TIME)),
    "step": (TIME, _noisy(1.0 * (TIME > 0.25))),
    **{f"{count} points": (TIME[:count], DECAY[:count]) for count in range(1, 10)},
}
CELLS = {"word": "abc", "hole": ""}
OVERFLOWS = {"nan": "nan", "inf": "inf", "quiet nan": "1.#QNAN"}
"""What instruments write for a point beyond their range; that point is left out, not the shot."""


def _write_cell(path: Path, cell: str) -> None:
    """Put `cell` in the place of a number of a good file."""
    write_bka(path, time=1e3 * TIME, signals=DECAY)
    lines = path.read_bytes().split(b"\r\n")
    time, _, _ = lines[50].partition(b"\t")
    lines[50] = time + b"\t" + cell.encode()
    path.write_bytes(b"\r\n".join(lines))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad") / "lab"
    folder.mkdir()
    for name, (time, signal) in TRACES.items():
        write_bka(folder / f"{name}.bka", time=1e3 * time, signals=signal)
    for name, cell in {**CELLS, **OVERFLOWS}.items():
        _write_cell(folder / f"{name}.bka", cell)
    (folder / "empty.bka").write_bytes(b"")
    write_bka(folder / "good.bka", time=1e3 * TIME, signals=DECAY)
    good = (folder / "good.bka").read_bytes()
    (folder / "no rows.bka").write_bytes(good[: good.index(b"_DATA") + 8])
    return folder


def test_every_bad_file_has_a_reason_in_table_and_report(lab: Path, tmp_path: Path) -> None:
    dataset = ingest(lab.parent, out=tmp_path / "data", settings=IngestSettings(workers=1))
    shots = dataset.shots.set_index("file")
    assert shots.loc["good.bka", "verdict"] == "PASS"
    overflowed = shots.loc[[f"{name}.bka" for name in OVERFLOWS]]
    np.testing.assert_allclose(overflowed["k_per_s"], shots.loc["good.bka", "k_per_s"], rtol=0.01)
    bad = shots.drop(["good.bka", *overflowed.index])
    assert len(bad) == len(TRACES) + len(CELLS) + 2
    assert (bad["verdict"] == "FAIL").all()
    assert (bad["reason"] != "").all()
    assert (bad["fit_status"] != "").all()
    conditions = dataset.conditions
    assert (conditions.loc[conditions["verdict"] == "FAIL", "reason"] != "").all()
    written, undrawn = write_reports(dataset, tmp_path / "reports")
    assert undrawn == ""
    assert all(path.stat().st_size for path in written)


@pytest.mark.parametrize("name", [*TRACES, *CELLS, "empty", "no rows"])
def test_one_bad_file_fails_with_a_reason(lab: Path, name: str) -> None:
    if name not in TRACES:
        with pytest.raises(FormatError, match="expected"):
            fit_file(lab / f"{name}.bka")
        return
    fitted = fit_file(lab / f"{name}.bka")
    assert fitted.row["verdict"] == "FAIL"
    assert fitted.row["reason"]
    assert "FAIL" in fitted.headline()
    assert not fitted.ok or np.isfinite(fitted.row["k_stderr_per_s"])
