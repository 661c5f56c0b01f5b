"""A trained model becomes the ONNX files of a judge's folder, in float32 and in eight bits, each checked against the one before.

Needs torch, onnx, onnxscript and onnxruntime, all lazily.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.errors import ClinAlignError
from agent.small_judge.calibration import Calibration
from agent.small_judge.folder import MODEL_FILES, TOKENIZER_FILE, Precision
from agent.small_judge.scorer import Logits, PairScorer
from training.judge_distillation.measures import judged, mets_of
from training.judge_distillation.samples import Sample

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MAX_DIFFERENCE = 1e-3
"""Of a logit between torch and ONNX in float32: it moves a probability by a quarter of that at most."""
MIN_AGREEMENT = 0.99
"""Share of verdicts that eight bits must leave as they are in order to serve."""
_INPUTS = ("input_ids", "token_type_ids", "attention_mask")


class ExportError(ClinAlignError):
    """The exported model is not the trained one."""


@dataclass(frozen=True, slots=True)
class ExportReport:
    """How far apart the models of a folder are, on the held-out pairs."""

    serves: Precision
    pairs: int
    fp32_difference: float
    """Greatest, of logits in ONNX and in torch."""
    int8_agreement: float
    """Share of criteria with the same verdict in eight bits, or with the same likelier one if that is less: where all stay unknown,
    the first says nothing."""
    int8_difference: float
    """Greatest, of the probabilities of met."""


def export_judge(
    model: PreTrainedModel,
    tokenizer_file: Path,
    folder: Path,
    *,
    samples: Sequence[Sample],
    reference: Logits,
    calibration: Calibration,
    threads: int | None = None,
) -> tuple[ExportReport, Logits]:
    """Write both models and the tokenizer into `folder`; what eight bits would decide otherwise is served in float32.

    `model` in float32, `reference` its logits of the samples; the calibration turns logits into the verdicts that are compared.
    Returns, beside the report, the logits of the model that serves. Raises ExportError where ONNX and torch don't give the same
    logits, and then leaves the folder as it was.
    """
    with tempfile.TemporaryDirectory() as scratch:
        files = {precision: Path(scratch) / name for precision, name in MODEL_FILES.items()}
        with _quiet():
            _write_onnx(model, files["fp32"])
            _write_int8(files["fp32"], files["int8"])
        logits = {
            name: PairScorer(file, threads=threads).logits([sample.pair for sample in samples])
            for name, file in files.items()
        }
        report = compared(logits, reference, samples, calibration)
        for file in files.values():
            shutil.copyfile(file, folder / file.name)
    shutil.copyfile(tokenizer_file, folder / TOKENIZER_FILE)
    return report, logits[report.serves]


def compared(
    logits: Mapping[Precision, Logits], reference: Logits, samples: Sequence[Sample], calibration: Calibration
) -> ExportReport:
    """Return how far apart logits in ONNX are from those of torch, `reference`, and from each other; ExportError if too far."""
    apart = float(np.abs(logits["fp32"] - reference).max())
    if not apart <= MAX_DIFFERENCE:  # NaN is refused, too
        raise ExportError(
            f"the ONNX export gives other logits than the trained model (by {apart:g}, at most {MAX_DIFFERENCE:g}): not used; "
            "report it with the versions of torch and onnxruntime"
        )
    sides, mets = [sample.side for sample in samples], mets_of(samples)
    full, short = (judged(logits[name], mets, sides, calibration) for name in ("fp32", "int8"))
    same_likelier = (full.probabilities >= 0.5) == (short.probabilities >= 0.5)
    agreement = min(float((full.verdicts == short.verdicts).mean()), float(same_likelier.mean()))
    return ExportReport(
        serves="int8" if agreement >= MIN_AGREEMENT else "fp32",
        pairs=len(samples),
        fp32_difference=apart,
        int8_agreement=agreement,
        int8_difference=float(np.abs(full.probabilities - short.probabilities).max()),
    )


def _write_onnx(model: PreTrainedModel, file: Path) -> None:
    import torch

    class Judge(torch.nn.Module):
        """The model with three inputs and one output, as ONNX wants it."""

        def __init__(self) -> None:
            super().__init__()
            self.judge = model

        def forward(self, input_ids: Any, token_type_ids: Any, attention_mask: Any) -> Any:  # (B, T) each -> (B,)
            inputs = {"input_ids": input_ids, "token_type_ids": token_type_ids, "attention_mask": attention_mask}
            return self.judge(**inputs).logits[:, 0]

    axes = {
        0: torch.export.Dim("batch"),
        1: torch.export.Dim("tokens", max=model.config.max_position_embeddings),
    }
    torch.onnx.export(
        Judge().eval(),
        tuple(torch.ones((2, 8), dtype=torch.int64) for _ in _INPUTS),  # one tensor three times would merge
        file,
        input_names=list(_INPUTS),
        output_names=["logits"],
        dynamo=True,
        opset_version=18,
        external_data=False,
        dynamic_shapes=dict.fromkeys(_INPUTS, axes),
        verbose=False,
    )
    _tidy(file)


def _tidy(file: Path) -> None:
    """Take out the exporter's notes: they name files of this machine, and shapes that the quantizer's own contradict."""
    import onnx

    model = onnx.load(file)
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
    del model.graph.metadata_props[:], model.metadata_props[:], model.graph.value_info[:]
    onnx.save(model, file)


def _write_int8(source: Path, file: Path) -> None:
    """Write the model with weights in eight bits; activations are quantized as they come.

    Seven of the eight are used: without, processors that lack VNNI overflow, and verdicts would depend on the machine.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(source, file, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's and the quantizer's notes on their own insides from the user."""
    root, exporter = logging.getLogger(), logging.getLogger("torch.onnx")
    levels = root.level, exporter.level
    root.setLevel(logging.ERROR)  # the quantizer writes to no logger of its own
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(levels[0])
        exporter.setLevel(levels[1])
