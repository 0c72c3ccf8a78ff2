"""`rabit evaluate`: methods measured on one test set, with tables and a report."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rabit.app.corpora import PREVIEW_SEED, SCENES
from rabit.app.display import Bar
from rabit.app.errors import note
from rabit.app.evaluate_networks import OpenNetworks, open_networks
from rabit.app.evaluate_options import (
    EvaluateOptions,
    data_name,
    find_segmentations,
    open_methods,
    open_models,
    open_test_set,
    picture_size,
)
from rabit.app.evaluate_seen import seen_in_training, seen_text
from rabit.app.options import pick_device
from rabit.data.layouts.find import find_layout
from rabit.evaluation.earlier import Earlier, earlier_methods, in_order, told_of
from rabit.evaluation.environment import environment
from rabit.evaluation.folder import DIGEST, LABEL, SUMMARIES, TOLD, EvaluationFolder
from rabit.evaluation.measure import Measuring
from rabit.evaluation.published import PublishedTable
from rabit.evaluation.report.cases import Failure, failures
from rabit.evaluation.report.page import ReportInputs, make_page
from rabit.evaluation.results import export_pairs
from rabit.evaluation.run import Method, make_and_measure
from rabit.evaluation.summary import Evaluation, summarise
from rabit.evaluation.tables import csv_text, evaluation_dict, markdown, published_for
from rabit.evaluation.testset import TestSet
from rabit.training.processes import Processes
from rabit.writing import check_target, naming, sole_writer, write_files

# To be raised whenever a figure is computed otherwise, so that old ones are not gone on with.
VERSION = 2
# The paper's name of a layout's data.
_PAPER_DATA = {
    "ade20k": "ADE20K",
    "celebahq": "CelebA-HQ (semantic)",
    "celebahq-edge": "CelebA-HQ (edge)",
    "deepfashion": "DeepFashion",
}


@dataclass(frozen=True)
class Written:
    """What an evaluation has written.

    Args:
        evaluation: the figures.
        files: with the tables, and the report last.
    """

    evaluation: Evaluation
    files: tuple[Path, ...]


def run_evaluation(options: EvaluateOptions) -> Written | None:
    """Makes pictures, measures them and writes tables and a report; goes on where it was stopped.

    Where several processes were launched, all of them call this and share the work; the main one
    alone writes the tables.

    Returns:
        What was written; None in processes that are not the main one.

    Raises:
        FileExistsError: the folder holds something else.
        FileNotFoundError: a folder or file is missing.
        OSError: a file cannot be written; it is named.
        ValueError: an option or a file is wrong; it is named.
    """
    check_target(options.out, folder=True)
    processes = Processes(pick_device(options.device))
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    try:
        with ExitStack() as stack:
            return _evaluate_together(options, processes, stack)
    except KeyboardInterrupt:
        if EvaluationFolder(options.out).record.is_file():
            again = (
                "the same command without --overwrite" if options.overwrite else "the same command"
            )
            note(f"{options.out} keeps what is made and measured; {again} goes on with it")
        raise
    finally:
        processes.end()


def _evaluate_together(
    options: EvaluateOptions, processes: Processes, stack: ExitStack
) -> Written | None:
    device = processes.device
    if options.data == SCENES and options.seed < PREVIEW_SEED and processes.main:
        note(f"training uses seeds below {PREVIEW_SEED}: models may know scenes of this seed")
    networks = open_networks(options.networks, device)
    models = open_models(options, device)
    size = picture_size(options, models)
    test = open_test_set(options, size, models)
    methods = open_methods(options, models, test)
    seen = seen_in_training(models, test)
    segmentations = find_segmentations(options, methods, test)
    measuring = Measuring(networks.networks, test.exemplars, size)
    folder = EvaluationFolder(options.out)
    record = {
        "version": VERSION,
        LABEL: test.label,
        "samples": {part: len(samples) for part, samples in test.parts().items()},
        DIGEST: test.digest(),
        "networks": dict(networks.digests),
        "methods": {method.folder: method.key for method in methods},
        TOLD: told_of(methods, seen),
    }

    def settle() -> Earlier:
        with naming(options.out):
            options.out.mkdir(parents=True, exist_ok=True)
        stack.enter_context(sole_writer(options.out))
        settled = folder.settle(record, options.overwrite)
        found = earlier_methods(settled, methods, test, folder)
        earlier = Earlier((), {}, {}) if options.only_named else found
        _remark(networks, {**seen, **earlier.seen}, earlier, test)
        return earlier

    earlier = processes.agree(settle)
    methods = in_order(methods, earlier.methods)
    seen = {**seen, **earlier.seen}
    with ExitStack() as shown:
        bar = shown.enter_context(Bar("measuring")) if processes.main else None
        make_and_measure(methods, test, measuring, folder, processes, bar)
    # The main process goes on when all are done.
    processes.gather(True)
    if not processes.main:
        return None
    with Bar("summarising") as bar:
        evaluation = summarise(
            methods,
            test,
            measuring,
            folder,
            options.resamples,
            options.seed,
            device,
            segmentations,
            bar,
        )
    facts = _facts(options, test, methods, seen, processes)
    files = _write(options, evaluation, test, methods, networks, facts)
    return Written(evaluation, files)


def _remark(
    networks: OpenNetworks, seen: Mapping[str, int], earlier: Earlier, test: TestSet
) -> None:
    """Says what is left out of the tables, what is in them besides, and what to beware of."""
    for text in networks.missing:
        note(text)
    if earlier.methods:
        note(
            f"{', '.join(method.name for method in earlier.methods)}: measured by earlier calls, "
            "and in the tables too; --only-named leaves out what is not named"
        )
    for name, lacking in earlier.missing.items():
        note(
            f"{name}: {lacking} of its pictures are missing, so it is left out of the tables; name "
            "it again, and they are made"
        )
    for name, count in seen.items():
        note(
            f"{name} was {seen_text(count, test)}, so its figures are better than they should be; "
            "measure on those that all models hold out: --held-out FILE"
        )


def run_export(options: EvaluateOptions, target: Path) -> int:
    """Writes what other programs' results are to be made of; see `export_pairs`.

    Returns:
        The number of pairs.
    """
    models = open_models(options, torch.device("cpu"))
    test = open_test_set(options, picture_size(options, models), models)
    with Bar("exporting") as bar:
        return export_pairs(test, target, options.overwrite, bar)


def _facts(
    options: EvaluateOptions,
    test: TestSet,
    methods: Sequence[Method],
    seen: Mapping[str, int],
    processes: Processes,
) -> dict[str, str]:
    """Returns what the figures depend on, for people."""
    parts = test.parts()
    told = {"data": data_name(options), "test set": test.label, "seed": str(options.seed)}
    if "translation" in parts:
        conditions = len(parts["translation"]) // test.exemplars
        told["translation"] = (
            f"{len(parts['translation'])} pictures: {conditions} conditions with {test.exemplars} "
            "exemplars each"
        )
    if "manipulation" in parts:
        what = "edits" if test.edited else "photographs as their own exemplars (no edits are known)"
        told["manipulation"] = f"{len(parts['manipulation'])} {what}"
    told["pictures"] = "PNG files of 8 bits, measured as they are read back"
    if options.ignore_class is not None:
        told["mean IoU and accuracy"] = f"without what the conditions call {options.ignore_class}"
    told["intervals"] = f"95 %, {options.resamples} resamples"
    for method in methods:
        kind = method.key["kind"]
        digest = str(method.key.get("weights", method.key.get("pictures", "")))
        trained = f", {seen_text(seen[method.name], test)}" if method.name in seen else ""
        told[f"pictures of {method.name}"] = f"{kind} {digest[:16]}".strip() + trained
    known = environment(processes.device, torch.get_num_threads())
    told["measured with"] = ", ".join(f"{n} {v}" for n, v in known.items() if v is not None)
    if processes.count > 1:
        told["processes"] = str(processes.count)
    return told


def _write(
    options: EvaluateOptions,
    evaluation: Evaluation,
    test: TestSet,
    methods: Sequence[Method],
    networks: OpenNetworks,
    facts: Mapping[str, str],
) -> tuple[Path, ...]:
    """Writes tables and the report."""
    published = _published(options)
    folder = EvaluationFolder(options.out)
    folders = {method.name: method.folder for method in methods}
    data: dict[str, Any] = {
        "facts": dict(facts),
        "networks": dict(networks.digests),
        "left_out": list(networks.missing),
        **evaluation_dict(evaluation),
        "failures": {
            part.name: [_failure_dict(each) for each in failures(part, folder, folders)]
            for part in evaluation.parts
        },
    }
    page = make_page(
        ReportInputs(
            evaluation=evaluation,
            folder=folder,
            folders=folders,
            facts=facts,
            extractors=tuple(networks.digests.items()),
            missing=networks.missing,
            published=published,
            exemplars=test.exemplars,
        )
    )
    hashes = {f"weights of {label}": digest for label, digest in networks.digests.items()}
    text = markdown(evaluation, {**facts, **hashes}, published, networks.missing)
    contents = (
        json.dumps(data, indent=1, allow_nan=False) + "\n", csv_text(evaluation), text, page
    )  # fmt: skip
    files = {options.out / name: each for name, each in zip(SUMMARIES, contents, strict=True)}
    write_files({path: content.encode() for path, content in files.items()}, overwrite=True)
    return tuple(files)


def _failure_dict(failure: Failure) -> dict[str, Any]:
    value = failure.value if math.isfinite(failure.value) else None
    return {"sample": failure.sample, "reason": failure.reason, "value": value}


def _published(options: EvaluateOptions) -> tuple[PublishedTable, ...]:
    """Returns the paper's tables of the data's layout, or ADE20K's."""
    layout = options.layout or ""
    if not layout and options.data != SCENES:
        layout = find_layout(options.data, options.condition)
    return published_for(_PAPER_DATA.get(layout, "ADE20K"))
