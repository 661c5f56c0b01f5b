"""The card of a small judge: by whose verdicts it was made, how far it agrees with them, where it stays silent, what it is not for.

It rests on what judge.json says and quotes no question, no answer and no criterion. The licence is the user's to name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from agent.small_judge.calibration import SideCalibration
from agent.small_judge.folder import JudgeFacts
from agent.state import DISCLAIMER
from evals.reports.files import write_report
from principles_store.embedding import DEFAULT_MODEL
from training.judge_distillation.calibrating import MIN_OF_KIND, SURENESS
from training.judge_distillation.export import MIN_AGREEMENT
from training.judge_distillation.report import DistilReport, TrainedOn
from training.judge_distillation.work_folder import CARD

_TEXT = """\
# {title}

> {disclaimer}

**Not for clinical use.** This is a cross-encoder that guesses what another judge would say of one criterion and one answer. It was
made by ClinAlign's `clinalign eval distil-judge` from the verdicts of {judges}:
it has their faults and its own, and no clinician has checked it.

## Agreement on held-out conversations

{held}

{agreement}

κ, macro-F1 and AUC are of the likelier verdict on every criterion; the other figures are of the verdicts that the judge gives where
it is sure enough. *False met*: called met, of those the labels call unmet; *false unmet* the other way round, which for a negative
criterion is a fault that was not seen.

## Where it stays silent

It gives a verdict where, of all those given, at most {risk:.0%} were wrong at the upper bound ({sureness:.0%}, one-sided, verdicts
on one conversation counted as fewer than they are); between the bounds below it is *unknown*, and a cascade asks another judge. A
verdict with fewer than {least} held-out ones within its bound, or with more wrong among them than the risk, is never given.

{bounds}

If only the surest verdicts were given, whatever the bounds, this share of them would be wrong:

{curve}

## Two models, one judge

{models}

## What it must not be used for

- To decide anything about a patient, or whether an answer is safe to show: it hasn't the knowledge to know.
- As the only judge of a model that was trained on its verdicts: what is trained against a judge finds where it is wrong.
- For the figure of a publication, or for answers, criteria or languages of another kind than it was made of, unless its agreement
  was measured there: `clinalign eval agreement`.
- Where answers may have been written to please it, before `clinalign eval robustness` has shown what it falls for.

{warnings}## Use

    clinalign eval grade ANSWERS -o graded.jsonl --judge small:FOLDER                  # unknown where it isn't sure
    clinalign eval grade ANSWERS -o graded.jsonl --judge small:FOLDER,provider:name    # the other judge decides those
    clinalign revise QUESTION --judge small:FOLDER

FOLDER is this one. It depends on no library of principles: the criteria come with the answers. Before you publish it: name a
licence in the head of this file (the base model's binds you, and so may those of the rows and of the judge that graded them), and
see to it that you may publish what was learned from these rows.

## What it was made of

{made}
"""
_COLUMNS = (
    ("criteria", "n", "d"),
    ("met", "met", "%"),
    ("κ", "kappa", "f"),
    ("macro-F1", "macro_f1", "f"),
    ("AUC", "auc", "f"),
    ("given", "coverage", "%"),
    ("unknown", "unknown", "%"),
    ("wrong of given", "risk", "%"),
    ("κ of given", "kappa_decided", "f"),
    ("false met", "false_met", "%"),
    ("false unmet", "false_unmet", "%"),
)


def write_card(folder: Path, report: DistilReport) -> None:
    """Write the card of a judge into its folder."""
    write_report(folder / CARD, card(report))


def card(report: DistilReport) -> str:
    """Return the card."""
    facts, trained_on = report.facts, report.trained_on
    text = _TEXT.format(
        title=f"{_plain(report.name)}: a small judge of criteria",
        disclaimer=DISCLAIMER,
        judges=_named(trained_on["judges"]),
        held=_held(trained_on),
        agreement=_agreement(trained_on["figures"]),
        risk=facts.calibration.risk,
        least=MIN_OF_KIND,
        sureness=SURENESS,
        bounds=_bounds(facts),
        curve=_curve(trained_on["figures"]["curve"]),
        models=_models(facts, trained_on["export"]),
        warnings=_warnings(trained_on["warnings"]),
        made=_made(facts, trained_on),
    )
    return _head(trained_on["base"]) + text


def _head(base: str) -> str:
    head: dict[str, Any] = {
        "library_name": "onnx",
        "pipeline_tag": "text-classification",
        "tags": ["clinalign", "medical", "llm-judge", "cross-encoder", "rubrics", "not-for-clinical-use"],
    }
    if base.startswith(f"{DEFAULT_MODEL}@"):
        head["base_model"] = f"sentence-transformers/{DEFAULT_MODEL}"
    return f"---\n{yaml.safe_dump(head, sort_keys=False)}# license: name one here before you publish\n---\n\n"


def _named(judges: Mapping[str, int]) -> str:
    return ", ".join(f"{_plain(name)} ({count:,})" for name, count in sorted(judges.items()))


def _held(trained_on: TrainedOn) -> str:
    held = trained_on["held_out"]
    return (
        f"{held['conversations']:,} conversations with {held['answers']:,} answers and {held['verdicts']:,} verdicts, of which\n"
        f"training saw none. They also had a say in which of {len(trained_on['evaluations'])} moments of training it is, and\n"
        "chose the calibration and the bounds, so all figures here flatter a little: measure it on rows of your own that it has\n"
        "never seen."
    )


def _agreement(figures: Mapping[str, Any]) -> str:
    rows = {"**all**": figures["overall"]}
    rows |= {f"{name} criteria": found for name, found in figures["by_polarity"].items()}
    rows |= {f"axis: {_plain(name)}": found for name, found in figures["by_axis"].items()}
    cells = [[name, *_figures(found)] for name, found in rows.items()]
    return _table(["", *(column for column, _, _ in _COLUMNS)], cells)


def _figures(found: Mapping[str, Any]) -> list[str]:
    known = {**found, "unknown": 1 - found["coverage"]}
    return [_shown(known[key], kind) for _, key, kind in _COLUMNS]


def _bounds(facts: JudgeFacts) -> str:
    calibration = facts.calibration
    sides = (("positive", calibration.positive), ("negative", calibration.negative))
    rows = [[f"{name} criteria", _bound("up to", side.unmet_to), _bound("from", side.met_from)] for name, side in sides]
    silent = [name for name, side in sides if _is_silent(side)]
    told = [
        f"On {name} criteria it is never sure: what it said of them was too little, too often wrong, or no better than chance."
        for name in silent
    ]
    return "\n".join([_table(["probability of met", "unmet", "met"], rows), *([""] if told else []), *told])


def _is_silent(side: SideCalibration) -> bool:
    return side.unmet_to is None and side.met_from is None


def _bound(word: str, value: float | None) -> str:
    return "never" if value is None else f"{word} {value:.2f}"


def _curve(points: Sequence[Mapping[str, float]]) -> str:
    rows = [[f"{one['coverage']:.0%}", f"{one['risk']:.1%}", f"{one['confidence']:.2f}"] for one in points]
    return _table(["given", "wrong of given", "from a probability of the verdict of"], rows)


def _models(facts: JudgeFacts, export: Mapping[str, Any]) -> str:
    is_short = facts.serves == "int8"
    why = "so it serves" if is_short else "so `model.onnx`, in float32, serves"
    return (
        f"`model-int8.onnx`, with weights in eight bits, decides {export['int8_agreement']:.1%} of the {export['pairs']:,}\n"
        f"held-out criteria as `model.onnx` does ({MIN_AGREEMENT:.0%} are asked for), {why};\n"
        f"the probability of met moves by {export['int8_difference']:.3f} at most. `model.onnx` gives the logits of the trained\n"
        f"model within {export['fp32_difference']:.1g}."
    )


def _warnings(warnings: Iterable[str]) -> str:
    told = [f"- {_plain(warning)}" for warning in warnings]
    return "\n".join(["## Warnings of the training", "", *told, "", ""]) if told else ""


def _made(facts: JudgeFacts, trained_on: TrainedOn) -> str:
    train, options, skipped = trained_on["train"], trained_on["options"], trained_on["skipped"]
    layout = facts.layout
    rows = [
        ["base model", f"`{_plain(trained_on['base'])}`"],
        ["labels by", _named(trained_on["judges"])],
        ["labels, SHA-256", f"`{trained_on['digest']}`"],
        [
            "trained on",
            f"{train['conversations']:,} conversations, {train['answers']:,} answers, {train['verdicts']:,} verdicts",
        ],
        ["of those met", f"{train['met'] / max(1, train['verdicts']):.0%}"],
        ["changed copies of answers", f"{train['copies']:,}"],
        ["passed over", ", ".join(f"{name} {count:,}" for name, count in skipped.items() if count) or "nothing"],
        ["window", f"{layout.window} tokens; of these for the criterion at most {layout.criterion}"],
        ["passages are chosen by", f"`{_plain(facts.embedder)}`"],
        ["learning rate, epochs, seed", f"{options['learning_rate']:g}, {options['epochs']}, {options['seed']}"],
        ["after step", f"{trained_on['best_step']:,}"],
        *([f"`{_plain(name)}`, SHA-256", f"`{digest}`"] for name, digest in sorted(facts.hashes.items())),
    ]
    return _table(["what", "which"], rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _shown(value: float | None, kind: str) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if kind == "d" else f"{value:.1%}" if kind == "%" else f"{value:.3f}"


def _plain(text: str) -> str:
    """Return text in one line that can't end a table's cell or a code span."""
    return " ".join(text.replace("|", "/").replace("`", "'").split())
