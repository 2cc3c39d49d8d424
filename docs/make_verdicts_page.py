"""Measure every rule of the verdicts and write docs/verdicts.md; takes about ten minutes."""

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT), str(ROOT / "tests" / "kinetics")]

from rule_faults import FAULTS, rules_heard  # noqa: E402
from test_false_alarms import count_alarms  # noqa: E402

from stopflow.kinetics.verdicts.rules import RULES  # noqa: E402

EXPERIMENTS, DRAWS, SEED = 500, 100, 73
HEAD = """# The rules of the verdicts, measured

A rule may speak up where nothing is wrong, and may miss the fault that it is for. Both are measured
on simulated experiments, with the thresholds as they are set.

*False alarms*: of {conditions:,} conditions ({shots:,} shots) in {experiments} experiments of
correct design, five to eight concentrations with three to five shots each, window 8 to 14 time
constants, signal to noise 50 to 300, shots that scatter by 0.3 to 2 %, excess 20 or more.
{any:.1%} of these conditions carry a finding at all; "shots" repeats at a condition what its shots
carry of their own, and "outlier-shot" stands at the condition as well.

*Power*: the share of {draws} experiments with the fault named in which the rule speaks up, and in
which any rule does. Where a rule stays silent another one may see the fault: a drift is also
another rate law, what does not determine k at all is refused, and a shot far from its replicates is
left out, after which the others scatter less.

| no. | rule | verdict | what it means | of conditions | of shots | the fault | seen | by any |
|---|---|---|---|---|---|---|---|---|
"""
FOOT = """
Command: `python docs/make_verdicts_page.py`; the same proofs run in `make proof` (`pytest --full
tests/kinetics/test_rule_power.py tests/kinetics/test_false_alarms.py`).
"""


def _main() -> None:
    generator = np.random.default_rng(SEED)
    conditions, shots, total = count_alarms(generator, experiments=EXPERIMENTS)
    page = HEAD.format(
        conditions=total,
        shots=shots["all"],
        experiments=EXPERIMENTS,
        any=conditions["any"] / total,
        draws=DRAWS,
    )
    for rule in RULES.values():
        heard = [rules_heard(rule.id, np.random.default_rng([41, n])) for n in range(DRAWS)]
        seen = sum(rule.id in rules for rules in heard) / DRAWS
        by_any = sum(bool(rules) for rules in heard) / DRAWS
        page += (
            f"| {rule.number} | {rule.id} | {rule.verdict} | {rule.means} "
            f"| {conditions[rule.id] / total:.2%} | {shots[rule.id] / shots['all']:.2%} "
            f"| {FAULTS[rule.id].said} | {seen:.0%} | {by_any:.0%} |\n"
        )
    (ROOT / "docs" / "verdicts.md").write_text(page + FOOT, encoding="utf-8")


if __name__ == "__main__":
    _main()
