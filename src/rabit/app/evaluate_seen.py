"""Pictures that are measured, although a model was trained on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rabit.app.run_folder import HELD_OUT, read_held_out
from rabit.evaluation.testset import TestSet
from rabit.inference import Translator


def seen_in_training(models: Mapping[str, Translator], test: TestSet) -> dict[str, int]:
    """Counts the measured photographs that models were trained on, by their lists of held-out ones.

    Measured are the photographs whose conditions, or edits, are: no more than `--count` asks for.

    A list lies beside a model's files or in its run's folder. One that names pictures which the
    data does not have is of other data and tells nothing, as does a model without a list.

    Args:
        models: by the name of the method.
        test: what is measured.

    Returns:
        The counts of those that were trained on any.
    """
    counts = {name: _seen(model.folder, test) for name, model in models.items()}
    return {name: count for name, count in counts.items() if count}


def _seen(folder: Path | None, test: TestSet) -> int:
    for place in [] if folder is None else [folder, folder.resolve().parent]:
        if (place / HELD_OUT).is_file():
            held_out = set(read_held_out(place))
            known = set(test.names) | set(test.others)
            return len(set(test.measured) - held_out) if held_out and held_out <= known else 0
    return 0


def seen_text(count: int, test: TestSet) -> str:
    """Returns how many measured photographs a model was trained on, as text."""
    total = len(test.measured)
    return f"trained on {count} of the {total} photographs whose conditions are measured"
