"""Which shot of a lab a test looks at."""

from stopflow.report.data import KineticsReportData


def shot_of(data: KineticsReportData, *, verdict: str = "PASS") -> int:
    """Return the row of the first shot with a verdict."""
    return int((data.shots["verdict"] == verdict).to_numpy().argmax())
