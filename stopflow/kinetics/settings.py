"""What a chemist may set: the law, the instrument, and where the verdicts change."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from stopflow.errors import SettingsError, require_key
from stopflow.kinetics.laws import AUTO, DEFAULT, LAWS, find_law, looks_like_expression

REPLICATES: Final = ("each", "mean", "joint")
"""How the shots of a condition become its rate; see `AnalysisSettings`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityThresholds:
    """Where a verdict changes.

    Attributes
    ----------
    slope_share
        Change of the baseline over the window, as a part of the amplitude.
    slope_sigma
        Slope in units of its error.
    short_window_kt
        k times the window below this: a slow exponential and a slope look alike.
    fast_sampling
        k times the sampling step above this: the decay falls between the points.
    uncertain_warn, uncertain_fail
        Relative standard error of the least certain rate of the law.
    misfit_chance
        Chance of residuals that wave as much as these, or of rates as far off their curve against
        concentration, without a reason.
    clipped_share
        Part of the fitted points at the end of the detector's range.
    coarse_steps
        Noise in units of the digitising step below this, and fewer levels than `few_levels`.
    few_levels
        Distinct signal values.
    low_signal_to_noise
        Amplitude over noise.
    start_shift_sigma
        Shift of k between the workbook's start and a later detected one, in standard errors.
    removed_change, removed_time
        Share of the reaction's change, and of the record, before a detected start.
    law_shift_sigma, law_shift_share
        Shift of k to a law that the data do not rule out, in standard errors and as a part of k.
    law_gain
        Fall of AICc from which another rate law is clearly better, where it is the only one
        compared; the best of n laws has to gain 2 ln n more.
    time_zero_kt
        k times the time between the first point and a detected start, for laws whose k depends on
        when the reaction began.
    workbook_share
        Deviation from the lab's own rate, as a part of it.
    amplitude_fall
        Fall of the amplitude along the concentrations, as a part of the largest.
    scatter_share
        Between-shot standard deviation as a part of k; without replicates, the scatter about the
        curve against concentration.
    excess_warn, excess_fail
        Ratio of the two reagents' concentrations below which the reaction is not pseudo-first
        order: doubtful, and no longer described by one exponential.
    replicate_chance
        Chance of a drift, a scatter or an outlier as seen, among all conditions together.
    left_out_chance
        Chance of a shot as far from its replicates, among all of its experiment, below which it is
        left out of their mean; 0: none is.
    """

    slope_share: float = 0.05
    slope_sigma: float = 3.0
    short_window_kt: float = 2.0
    fast_sampling: float = 0.5
    uncertain_warn: float = 0.1
    uncertain_fail: float = 0.5
    misfit_chance: float = 1e-4
    clipped_share: float = 0.005
    coarse_steps: float = 0.5
    few_levels: int = 64
    low_signal_to_noise: float = 5.0
    start_shift_sigma: float = 3.0
    removed_change: float = 0.15
    removed_time: float = 0.2
    law_shift_sigma: float = 1.5
    law_shift_share: float = 0.02
    law_gain: float = 10.0
    time_zero_kt: float = 0.01
    workbook_share: float = 0.1
    amplitude_fall: float = 0.3
    scatter_share: float = 0.1
    excess_warn: float = 5.0
    excess_fail: float = 2.0
    replicate_chance: float = 0.05
    left_out_chance: float = 0.01

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if not getattr(self, name) >= 0:
                raise SettingsError(f"quality.{name}", getattr(self, name), valid="0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisSettings:
    """How traces become rate constants.

    Attributes
    ----------
    law
        Key of `LAWS`, a formula in ``t`` with a rate ``k``, or ``"auto"``: the best by AICc, chosen
        for each experiment.
    robust
        Soft-L1 loss, for bubbles and spikes.
    fixed
        Fixed parameters of the law.
    replicates
        How the shots of a condition become its rate: ``"each"`` is fitted and the rates are
        averaged; their ``"mean"`` trace is fitted; a ``"joint"`` fit has common rates, every shot
        its own amplitudes and baseline. Every shot is fitted alone in any case.
    mixing_ratio
        What the workbook's concentrations are divided by: 1 when they are those after mixing,
        2 for those in a syringe that is mixed 1:1.
    dead_time_s
        Of the instrument; None: as each shot's workbook row says.
    stop_s
        When the flow stopped, in the time of the file; the mixture then was one dead time old.
    thresholds
        Of the verdicts.
    """

    law: str = DEFAULT
    robust: bool = False
    fixed: Mapping[str, float] = field(default_factory=dict)
    replicates: str = "each"
    mixing_ratio: float = 1.0
    dead_time_s: float | None = None
    stop_s: float = 0.0
    thresholds: QualityThresholds = field(default_factory=QualityThresholds)

    def __post_init__(self) -> None:
        parameters: tuple[str, ...] = ()
        if self.law != AUTO:
            if self.law not in LAWS and not looks_like_expression(self.law):
                raise SettingsError("law", self.law, valid=[*LAWS, AUTO, "or a formula in t"])
            parameters = find_law(self.law).parameters
            if "k_per_s" not in parameters:
                raise SettingsError("law", self.law, valid="a formula in which k is the rate")
        require_key("replicates", self.replicates, REPLICATES)
        if self.robust and self.replicates == "joint":
            valid = "each or mean where the loss is robust: a joint fit is one of least squares"
            raise SettingsError("replicates", self.replicates, valid=valid)
        if not self.mixing_ratio > 0:
            raise SettingsError("mixing_ratio", self.mixing_ratio, valid="a number above 0")
        if self.dead_time_s is not None and not 0 <= self.dead_time_s < 1:
            raise SettingsError("dead_time_s", self.dead_time_s, valid="seconds, 0 to below 1")
        if self.fixed and self.law == AUTO:
            raise SettingsError("fixed", dict(self.fixed), valid="parameters of one law, not auto")
        unknown = [name for name in self.fixed if name not in parameters]
        if unknown:
            raise SettingsError("fixed", unknown[0], valid=parameters)
