"""Splits by whole experiments, so that replicates of a mixture are never on both sides."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stopflow.errors import SettingsError
from stopflow.learn.data import LabData, Numbers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """Row numbers of the parts, and the experiments held out."""

    train: Numbers
    validation: Numbers
    test: Numbers
    test_experiments: tuple[str, ...]
    validation_experiments: tuple[str, ...]

    def part_of_rows(self) -> list[str]:
        """Return ``"train"``, ``"validation"`` or ``"test"`` for each row."""
        count = len(self.train) + len(self.validation) + len(self.test)
        names = ["train"] * count
        for part in ("validation", "test"):
            for index in getattr(self, part):
                names[index] = part
        return names

    def to_dict(self) -> dict[str, object]:
        """For a saved model: what was held out, and how many shots each part has."""
        return {
            "test_experiments": list(self.test_experiments),
            "validation_experiments": list(self.validation_experiments),
            "train": len(self.train),
            "validation": len(self.validation),
            "test": len(self.test),
        }


def split_by_experiment(
    data: LabData,
    *,
    generator: np.random.Generator,
    test_experiments: Sequence[str] = (),
    test_count: int = 3,
    validation_experiments: Sequence[str] = (),
    validation_count: int = 0,
) -> Split:
    """Hold out whole experiments.

    Parameters
    ----------
    generator
        Chooses experiments where no names are given.
    test_experiments, validation_experiments
        Names; they take precedence over the counts.
    test_count, validation_count
        How many experiments to choose; at least half of all remain for training.

    Raises
    ------
    SettingsError
        When an experiment does not exist (the valid names are listed), when one is on both sides,
        and when nothing is left to train on.
    """
    names = data.experiments
    if len(names) < 2:
        raise SettingsError(
            "experiments", len(names), valid="2 or more folders: one is held out as the test"
        )
    test = _named("test experiment", test_experiments, names)
    validation = _named("validation experiment", validation_experiments, names)
    both = sorted(set(test) & set(validation))
    if both:
        left = [name for name in names if name not in test]
        raise SettingsError("validation experiment", both[0], valid=left)
    most = len(names) // 2
    if not test:
        test = _choose(names, min(test_count, most), taken=validation, generator=generator)
    if not validation and validation_count:
        validation = _set_aside(names, validation_count, test=test, generator=generator)
    return _split(data, test=test, validation=validation)


def leave_out_folds(
    data: LabData, *, folds: int, generator: np.random.Generator, validation_count: int = 0
) -> tuple[Split, ...]:
    """Divide the experiments into `folds` test sets, so that each is tested exactly once.

    At least half of the experiments that a fold does not test remain for training, whatever
    `validation_count` says.

    Raises
    ------
    SettingsError
        Fewer than 2 folds, or more than there are experiments.
    """
    names = data.experiments
    if not 2 <= folds <= len(names):
        raise SettingsError("folds", folds, valid=f"2 to {len(names)} (the experiments)")
    shuffled = [names[i] for i in generator.permutation(len(names))]
    splits = []
    for fold in range(folds):
        test = tuple(sorted(shuffled[fold::folds]))
        validation = _set_aside(names, validation_count, test=test, generator=generator)
        splits.append(_split(data, test=test, validation=validation))
    return tuple(splits)


def _named(what: str, wanted: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    for name in wanted:
        if name not in names:
            raise SettingsError(what, name, valid=names)
    return tuple(dict.fromkeys(wanted))


def _set_aside(
    names: Sequence[str], count: int, *, test: Sequence[str], generator: np.random.Generator
) -> tuple[str, ...]:
    """Choose experiments for validation, at most half of those that are not tested."""
    most = max((len(names) - len(test)) // 2, 0)
    return _choose(names, min(count, most), taken=test, generator=generator)


def _choose(
    names: Sequence[str], count: int, *, taken: Sequence[str], generator: np.random.Generator
) -> tuple[str, ...]:
    free = [name for name in names if name not in taken]
    return tuple(free[i] for i in sorted(generator.permutation(len(free))[:count]))


def _split(data: LabData, *, test: tuple[str, ...], validation: tuple[str, ...]) -> Split:
    in_test = np.isin(data.experiment, test)
    in_validation = np.isin(data.experiment, validation)
    train = np.flatnonzero(~in_test & ~in_validation)
    if not train.size:
        raise SettingsError("test experiments", ", ".join(test), valid="some must be left to train")
    return Split(
        train=train,
        validation=np.flatnonzero(in_validation),
        test=np.flatnonzero(in_test),
        test_experiments=test,
        validation_experiments=validation,
    )
