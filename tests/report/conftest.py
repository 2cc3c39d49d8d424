"""A small lab and a model for the reports, made once."""

import pytest
import report_lab

from stopflow.report.data import KineticsReportData, ModelReportData


@pytest.fixture(scope="session")
def lab() -> KineticsReportData:
    return report_lab.build_lab(points=801, replicates=2)


@pytest.fixture(scope="session")
def model() -> ModelReportData:
    return report_lab.build_model(epochs=40)
