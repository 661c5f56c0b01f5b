"""A trained model becomes a judge's folder: calibrated, exported, measured, with a card; judge.json comes last."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.small_judge.folder import JUDGE_FILE, MODEL_FILES, TOKENIZER_FILE, JudgeFacts, JudgeFolder, file_digest
from evals.reports.files import write_report
from training.judge_distillation.base import Base
from training.judge_distillation.batches import predict_logits
from training.judge_distillation.calibrating import fit_calibration
from training.judge_distillation.card import write_card
from training.judge_distillation.export import export_judge
from training.judge_distillation.material import Division, Material
from training.judge_distillation.measures import all_figures, mets_of
from training.judge_distillation.options import DistilOptions
from training.judge_distillation.report import Course, DistilReport, TrainedOn
from training.judge_distillation.rows import Labels

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Trained:
    """A model with all that is known of it."""

    model: PreTrainedModel
    base: Base
    labels: Labels
    division: Division
    material: Material
    course: Course
    options: DistilOptions
    embedder: str


def finish(output: Path, trained: Trained, echo: Callable[[str], None]) -> DistilReport:
    """Write the folder of a judge and return what came of it; begun again after a kill, it writes the same."""
    held, model = trained.material.held, trained.model.cpu()
    logits = predict_logits(model, held)
    calibration = fit_calibration(
        logits,
        mets_of(held),
        [sample.side for sample in held],
        conversations=[sample.conversation for sample in held],
        risk=trained.options.risk,
    )
    echo("exporting to ONNX")
    export, served = export_judge(
        model,
        trained.base.tokenizer_file,
        output,
        samples=held,
        reference=logits,
        calibration=calibration,
        threads=trained.options.threads,
    )
    figures = all_figures(served, held, calibration)
    files = (*MODEL_FILES.values(), TOKENIZER_FILE)
    facts = JudgeFacts(
        trained.options.layout,
        calibration,
        trained.embedder,
        export.serves,
        {name: file_digest(output / name) for name in files},
        _trained_on(trained, figures, asdict(export)),
    )
    report = DistilReport(output, JudgeFolder(output, facts).name, facts, is_new=True)
    write_card(output, report)
    write_report(output / JUDGE_FILE, json.dumps(facts.as_dict(), indent=2, ensure_ascii=False) + "\n")
    return report


def _trained_on(trained: Trained, figures: dict[str, Any], export: dict[str, Any]) -> dict[str, Any]:
    train, held = trained.division.sides
    return dict(
        TrainedOn(
            digest=trained.labels.digest,
            base=trained.base.name,
            options=trained.options.as_dict(),
            judges=dict(trained.labels.judges),
            skipped=asdict(trained.labels.skipped),
            train=train,
            held_out=held,
            evaluations=list(trained.course.evaluations),
            best_step=trained.course.best_step,
            figures=figures,
            export=export,
            warnings=trained.division.warnings,
        )
    )
