"""Every rule sees the fault that it is for; how seldom it speaks up without: test_false_alarms."""

import numpy as np
import pytest
from rule_faults import FAULTS, rules_heard

from stopflow.kinetics.verdicts.rules import RULES

NOT_ALONE = ("undetermined", "law-shift")
"""Of these faults other rules see the rest: there is no rate at all, or another law is better."""


def test_every_rule_has_its_fault():
    assert set(FAULTS) == set(RULES)


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_a_rule_sees_its_fault(rule, full_proof):
    draws = 100 if full_proof else 4
    heard = [rules_heard(rule, np.random.default_rng([41, number])) for number in range(draws)]
    seen = [rule in rules for rules in heard]
    assert np.mean([bool(rules) for rules in heard]) >= (0.8 if full_proof else 0.5)
    least = 0.4 if rule in NOT_ALONE else 0.6
    assert np.mean(seen) >= (least if full_proof else 0.25)
