"""A synthetic dataset with the tables' columns, and odd variants of it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from stopflow.kinetics.verdicts.findings import Finding, write_findings
from stopflow.kinetics.verdicts.rules import RULES
from stopflow.kinetics.verdicts.sentences import reasons
from stopflow.report.data import KineticsReportData, ModelReportData
from stopflow.report.kinetics.experiment_page import build_experiment_blocks
from stopflow.report.kinetics.extent import choose_experiments
from stopflow.report.kinetics.report import flow_ends
from stopflow.report.kinetics.secondary_numbers import SecondaryPicture, build_plots
from stopflow.report.paper.pdf import PdfSheet, flow_sheets
from stopflow.report.paper.style import Paper, Ruler

NAN = float("nan")


def lay_out_report(data: KineticsReportData, paper: Paper, ruler: Ruler) -> list[PdfSheet]:
    """Lay the whole kinetics report out, page by page, without drawing it."""
    names = choose_experiments(data.shots)
    sheets, closing = flow_ends(data, names, paper=paper, ruler=ruler)
    for name, rows in data.shots.groupby("experiment", sort=False).indices.items():
        if name in names:
            blocks = build_experiment_blocks(data, name, rows, paper=paper, ruler=ruler)
            sheets += flow_sheets(blocks, paper, ruler, section=name)
    return [*sheets, *closing]


FINDINGS = {
    "WARN": (
        RULES["short-window"].finding(kt=1.6, least=2.0),
        RULES["noisy"].finding(ratio=8.0, least=20.0),
    ),
    "FAIL": (RULES["refused"].finding(because="unreadable", text="constant signal"),),
}
"""Verdict -> what its shots are said to have."""
NONE_FITTED = replace(RULES["none-fitted"].finding(), because=FINDINGS["FAIL"])


def pictures_of(secondary: pd.DataFrame, conditions: pd.DataFrame) -> list[SecondaryPicture]:
    """Secondary plots of tables, without the rows that they are built from."""
    return [picture for picture, _ in build_plots(secondary, conditions)]


def found(findings: Sequence[Finding]) -> dict[str, str]:
    """Return the columns of a table that say why a verdict is not PASS."""
    return {"reason": reasons(findings), "findings": write_findings(findings)}


def build_lab(
    *,
    names: Sequence[str] = ("2024-03-01 run A", "2024-03-04 run B"),
    concentrations: Sequence[float] = (1e-5, 2e-5, 5e-5, 1e-4, 2e-4),
    replicates: int = 3,
    points: int = 2001,
    seed: int = 7,
    refuse: bool = False,
) -> KineticsReportData:
    """Shots of k = k_on [S] + k_off, artefact before 18 ms, one bad shot in fifteen."""
    rng = np.random.default_rng(seed)
    shots: list[dict] = []
    cuts: list[dict] = []
    traces: list[tuple[np.ndarray, np.ndarray] | None] = []
    for name in names:
        for condition, concentration in enumerate(concentrations):
            for replicate in range(replicates):
                row, trace = _shot(rng, name, condition, concentration, replicate, points)
                if refuse or len(shots) % 15 == 11:
                    row, trace = _refused(row), None if len(shots) % 2 else trace
                elif len(shots) % 13 == 5:
                    row |= {"verdict": "WARN", **found(FINDINGS["WARN"])}
                shots.append(row)
                traces.append(trace)
                cuts += _cuts(rng, row)
    table = pd.DataFrame(shots)
    return KineticsReportData(
        shots=table,
        conditions=_conditions(table),
        secondary=_secondary(_conditions(table)),
        cuts=pd.DataFrame(
            cuts, columns=[*"experiment file channel cut_s".split(), "k_per_s", "k_stderr_per_s"]
        ),
        problems=pd.DataFrame(
            [(names[0], "shot_99.bka", "row 7", "no such file", "a file", "error", "", "")],
            columns=["experiment", "file", "where", "found", "expected", "level", "topic", "rule"],
        ),
        inputs=table[["experiment", "file", "sha256"]],
        trace=traces.__getitem__,
        provenance={
            "version": "0.1.0",
            "command": "stopflow ingest data/",
            "settings": {"law": "single-slope", "robust": False, "mixing_ratio": 2.0},
            "libraries": {"numpy": "2.4.6", "scipy": "1.17.1", "matplotlib": "3.11.2"},
            "seed": 1,
            "created": "2024-06-11T09:30:00+02:00",
        },
    )


def _shot(rng, name, condition, concentration, replicate, points):
    base = concentration if np.isfinite(concentration) else 5e-5
    k = (1.2e6 * base + 6.0) * (1 + 0.015 * rng.standard_normal())
    window = 0.5
    start = 0.018
    time = np.linspace(0.0, window + start, points)
    amplitude, slope, intercept, noise = -0.8, 0.02, 8.6, 0.006
    t = time - start
    clean = intercept + slope * t + amplitude * np.exp(-k * np.maximum(t, -0.002))
    clean = clean + 0.5 * np.exp(-time / 0.004)
    signal = clean + noise * rng.standard_normal(points)
    stderr = 0.012 * k
    row = {
        "experiment": name,
        "file": f"shot_{condition * 10 + replicate:02d}.bka",
        "channel": 1,
        "verdict": "PASS",
        **found(()),
        "start_s": start,
        "start_source": "workbook",
        "points": int((time >= start).sum()),
        "window_s": window,
        "k_per_s": k * (1 + 0.008 * rng.standard_normal()),
        "k_stderr_per_s": stderr,
        "k_low95_per_s": k - 1.9 * stderr,
        "k_high95_per_s": k + 2.1 * stderr,
        "amplitude": amplitude,
        "slope_per_s": slope,
        "intercept": intercept,
        "noise_sd": noise,
        "signal_to_noise": abs(amplitude) / noise,
        "workbook_rate_per_s": k * (1 + 0.03 * rng.standard_normal()),
        "concentration_M": concentration,
        "temperature_K": 298.15,
        "substrate": "µ-oxo dimère",
        "mixture": "",
        "ionic_strength_M": NAN,
        "replicate": replicate + 1,
        "dead_time_s": NAN,
        "law": "single-slope",
        "detected_start_s": start + 0.001 * rng.standard_normal(),
        "detected_reason": "tail fits from here on",
        "amplitude_at_mixing": amplitude * 1.1,
        "half_life_s": np.log(2) / k,
        "noise_correlation": 0.02,
        "noise_inflation": 1.0,
        "k_stderr_white_per_s": stderr,
        "k_bound_per_s": stderr * 0.98,
        "efficiency": 0.98,
        "k_single_per_s": k * 0.99,
        "k_slope_per_s": k,
        "k_double_per_s": k * 1.01,
        "k2_per_s": k * 0.2,
        "amplitude2": 0.01,
        "beta": NAN,
        "aicc_single": -19000.0,
        "aicc_slope": -19120.0,
        "aicc_double": -19118.0,
        "model_shift_sigma": 0.8,
        "condition": condition,
        "rules": "",
        "signal_unit": "Volt",
        "fit_status": "ok",
        "sha256": f"{rng.integers(2**60):064x}",
        "k_true_per_s": k,
    }
    return row, (time, signal)


def _refused(row):
    numbers = {
        key: NAN
        for key in row
        if key.endswith("_per_s") or key in ("amplitude", "intercept", "noise_sd", "half_life_s")
    }
    numbers |= {"signal_to_noise": NAN, "points": 0, "window_s": NAN}
    kept = {"workbook_rate_per_s": row["workbook_rate_per_s"]}
    verdict = {"verdict": "FAIL", **found(FINDINGS["FAIL"]), "fit_status": "refused"}
    return row | numbers | kept | verdict


def _cuts(rng, row):
    if not np.isfinite(row["k_per_s"]):
        return []
    cut = np.linspace(0.0, 0.06, 13)
    drift = 0.3 * np.exp(-cut / 0.005)
    k = row["k_per_s"] * (1 + drift + 0.004 * rng.standard_normal(len(cut)))
    return [
        {
            "experiment": row["experiment"],
            "file": row["file"],
            "channel": 1,
            "cut_s": c,
            "k_per_s": value,
            "k_stderr_per_s": row["k_stderr_per_s"],
        }
        for c, value in zip(cut, k, strict=True)
    ]


def _conditions(shots):
    rows = []
    for (name, condition), group in shots.groupby(["experiment", "condition"], sort=False):
        good = group[np.isfinite(group["k_per_s"])]
        k, sd = good["k_per_s"].mean(), good["k_per_s"].std()
        error = sd / np.sqrt(len(good)) if len(good) > 1 else good["k_stderr_per_s"].mean()
        verdict = "FAIL" if good.empty else "PASS"
        rows.append(
            {
                "experiment": name,
                "condition": condition,
                "concentration_M": group["concentration_M"].iloc[0],
                "temperature_K": 298.15,
                "substrate": group["substrate"].iloc[0],
                "mixture": "",
                "mixture_ph": NAN,
                "ionic_strength_M": NAN,
                "shots": len(group),
                "fitted": len(good),
                "k_per_s": k,
                "k_stderr_per_s": error,
                "k_low95_per_s": k - 2 * error,
                "k_high95_per_s": k + 2 * error,
                "k_from": "each",
                "uncertainty_source": "replicates" if len(good) > 1 else "single shot",
                "k_each_per_s": k,
                "k_each_stderr_per_s": error,
                "outlier_files": "",
                "k_all_per_s": k,
                "k_all_stderr_per_s": error,
                "between_shot_sd_per_s": sd,
                "scatter_ratio": sd / good["k_stderr_per_s"].median() if len(good) else NAN,
                "half_life_s": np.log(2) / k,
                "amplitude": good["amplitude"].mean(),
                "amplitude_stderr": NAN,
                "amplitude_low95": NAN,
                "amplitude_high95": NAN,
                "signal_to_noise": good["signal_to_noise"].median(),
                "verdict": verdict,
                **found(() if verdict == "PASS" else (NONE_FITTED,)),
            }
        )
    return pd.DataFrame(rows)


def _secondary(conditions):
    """A line through each experiment's conditions, by the formulas for equal weights."""
    rows = []
    for name, own in conditions.groupby("experiment", sort=False):
        own = own[np.isfinite(own["k_per_s"]) & np.isfinite(own["concentration_M"])]
        if len(own) < 3:
            continue
        x, y = own["concentration_M"].to_numpy(), own["k_per_s"].to_numpy()
        (slope, offset), covariance = np.polyfit(x, y, 1, cov=True)
        errors = np.sqrt(np.diag(covariance))
        group = f"{own['substrate'].iloc[0]}, 298.15 K"
        found = (
            ("k_on", slope, errors[0], "M^-1 s^-1"),
            ("k_off", offset, errors[1], "s^-1"),
            ("correlation(k_on, k_off)", covariance[0, 1] / errors.prod(), NAN, ""),
        )
        for parameter, value, error, unit in found:
            rows.append(
                {
                    "plot": f"concentration/{name}/{group}",
                    "experiment": name,
                    "group": group,
                    "kind": "line",
                    "chosen": True,
                    "points": len(own),
                    "conditions": " ".join(str(row) for row in own.index),
                    "rates": " ".join(["k_per_s"] * len(own)),
                    "role": "correlation" if "correlation" in parameter else "parameter",
                    "parameter": parameter,
                    "at": NAN,
                    "value": value,
                    "stderr": error,
                    "low95": value - 2.5 * error,
                    "high95": value + 2.5 * error,
                    "unit": unit,
                    "aicc": -12.0,
                    "text": "k_obs = k_off + k_on [S]",
                    "remark": "straight (p = 0.5)",
                    "substrate": own["substrate"].iloc[0],
                    "temperature_K": 298.15,
                    "ionic_strength_M": NAN,
                }
            )
    return pd.DataFrame(rows, columns=SECONDARY_COLUMNS)


SECONDARY_COLUMNS = [
    *("plot", "experiment", "group", "kind", "chosen", "points", "conditions"),
    *("rates", "parameter", "value"),
    *("stderr", "low95", "high95", "unit", "aicc", "text", "remark"),
    *("substrate", "temperature_K", "ionic_strength_M", "role", "at"),
]


def build_odd_labs(*, points: int = 2001, series: int = 30) -> dict[str, KineticsReportData]:
    """The cases a report must survive, by name."""
    long_name = "a very long experiment folder name that no page is wide enough for " * 3
    plain = build_lab(points=points, names=("plain",), concentrations=(1e-5, 1e-4), replicates=2)
    nothing = build_lab(points=points, names=("only",), concentrations=(NAN,), replicates=1)
    return {
        "one_trace": nothing,
        "no_concentrations": build_lab(
            points=points, names=("dose unknown",), concentrations=(NAN,), replicates=8
        ),
        "many": build_lab(
            points=points,
            names=("three hundred",),
            concentrations=tuple(np.geomspace(1e-6, 1e-3, series)),
            replicates=10,
        ),
        "all_refused": build_lab(points=points, names=("broken",), refuse=True),
        "long_names": build_lab(
            points=points, names=(long_name.strip(), "Ünïcode_µM_été_" + "x" * 120), replicates=2
        ),
        "odd_names": build_lab(
            points=points, names=("=2+3", "a $b$ c_d^e \\frac", "日本語 µ é"), replicates=1
        ),
        "no_cuts": replace(
            plain,
            cuts=plain.cuts.iloc[:0],
            secondary=plain.secondary.iloc[:0],
            problems=plain.problems.iloc[:0],
            provenance={},
        ),
    }


def build_model(*, seed: int = 3, epochs: int = 120, name: str = "dlrt-50") -> ModelReportData:
    """A training history with falling errors and three test experiments."""
    rng = np.random.default_rng(seed)
    epoch = np.arange(1, epochs + 1)
    decay = 30 * np.exp(-epoch / 25) + 1.5
    history = pd.DataFrame(
        {
            "epoch": epoch,
            "train_mae_per_s": decay * (1 + 0.03 * rng.standard_normal(epochs)),
            "test_mae_per_s": decay * 1.2 * (1 + 0.05 * rng.standard_normal(epochs)),
            "loss": decay**2 / 500,
            "seconds": epoch * 0.8,
            "rank_1": 50,
            "rank_2": np.maximum(50 - epoch // 4, 18),
            "rank_3": np.maximum(50 - epoch // 3, 9),
        }
    )
    k = np.exp(rng.uniform(np.log(0.3), np.log(400), 400))
    names = np.array([f"experiment {i:02d}" for i in rng.integers(0, 12, 400)])
    test = np.isin(names, ["experiment 00", "experiment 01", "experiment 02"])
    predictions = pd.DataFrame(
        {
            "experiment": names,
            "file": [f"shot_{i:03d}.bka" for i in range(400)],
            "split": np.where(test, "test", "train"),
            "k_actual_per_s": k,
            "k_predicted_per_s": k * np.exp(0.04 * rng.standard_normal(400)),
        }
    )

    def score(frame: pd.DataFrame) -> dict[str, float]:
        error = np.abs(frame["k_predicted_per_s"] - frame["k_actual_per_s"])
        relative = error / frame["k_actual_per_s"]
        return {
            "mae_per_s": float(error.mean()),
            "median_relative_error": float(relative.median()),
            "p95_relative_error": float(relative.quantile(0.95)),
            "n": len(frame),
        }

    def trace(experiment: str, file: str):
        time = np.linspace(0, 0.5, 1501)
        row = predictions[predictions["file"] == file].iloc[0]
        signal = 8 - 0.8 * np.exp(-row["k_actual_per_s"] * time)
        return time, signal + 0.01 * np.random.default_rng(1).standard_normal(1501)

    return ModelReportData(
        name=name,
        metrics={
            "test": score(predictions[test]),
            "train": score(predictions[~test]),
            "fit_on_test": {"mae_per_s": 0.9, "median_relative_error": 0.011},
            "parameters": 1448137,
            "seconds": 96.2,
            "epochs": epochs,
            "seed": 1,
            "peak_memory_bytes": 812_000_000,
            "split": {"test": ["experiment 00", "experiment 01", "experiment 02"]},
            "layers": [
                {
                    "name": "1",
                    "type": "dlrt",
                    "inputs": 28000,
                    "outputs": 512,
                    "rank": 50,
                },
                {
                    "name": "2",
                    "type": "dlrt",
                    "inputs": 512,
                    "outputs": 512,
                    "rank": 18,
                },
                {
                    "name": "3",
                    "type": "dense",
                    "inputs": 256,
                    "outputs": 1,
                    "rank": None,
                },
            ],
        },
        history=history,
        predictions=predictions,
        trace=trace,
        provenance={"version": "0.1.0", "command": "stopflow train --layer dlrt --rank 50"},
    )
