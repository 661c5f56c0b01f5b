"""The files of a small judge: ONNX says what torch says, eight bits serve only where they decide the same, nothing else is told."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
import pytest
from tiny_bert import build_tiny_bert

from agent.small_judge.calibration import Calibration, SideCalibration
from agent.small_judge.folder import MODEL_FILES, TOKENIZER_FILE
from agent.small_judge.reading import Layout, Pair
from agent.small_judge.scorer import Logits, PairScorer
from training.judge_distillation.base import Base, open_base
from training.judge_distillation.batches import predict_logits
from training.judge_distillation.export import MAX_DIFFERENCE, ExportError, ExportReport, compared, export_judge
from training.judge_distillation.samples import Sample

LONGEST = 512
SIDE = SideCalibration(slope=1.0, bias=0.0, unmet_to=0.4, met_from=0.6)
CALIBRATION = Calibration(SIDE, SIDE, risk=0.2)


def samples_of(*lengths: int) -> list[Sample]:
    draw = Random(0)
    pairs = [
        Pair((101, *draw.choices(range(1000, 9000), k=length - 2), 102), min(9, length // 2), "") for length in lengths
    ]
    return [Sample(pair, number % 2 == 0, "positive", None, str(number)) for number, pair in enumerate(pairs)]


SAMPLES = samples_of(3, 8, 16, 33, 100, 256, LONGEST, *[40] * 30)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return open_base(
        build_tiny_bert(tmp_path_factory.mktemp("base") / "bert", hidden_size=32, initializer_range=0.4), Layout()
    )


@pytest.fixture(scope="module")
def model(base: Base) -> Any:
    """With an output whose weights are always the same."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return base.model()


def exported(model: Any, base: Base, folder: Path) -> tuple[ExportReport, Logits]:
    return export_judge(
        model,
        base.tokenizer_file,
        folder,
        samples=SAMPLES,
        reference=predict_logits(model, SAMPLES),
        calibration=CALIBRATION,
        threads=1,
    )


@pytest.fixture(scope="module")
def folder(model: Any, base: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("judge")
    exported(model, base, target)
    return target


def test_onnx_gives_torchs_logits_at_every_length_and_in_batches(model: Any, folder: Path) -> None:
    expected = predict_logits(model, SAMPLES)
    assert expected.std() > 100 * MAX_DIFFERENCE  # else any numbers would do
    for batch in (1, 7):
        found = PairScorer(folder / MODEL_FILES["fp32"], threads=1, batch=batch).logits([one.pair for one in SAMPLES])
        assert np.abs(found - expected).max() < MAX_DIFFERENCE / 10


def test_both_types_of_token_are_read(folder: Path) -> None:
    pair = SAMPLES[4].pair
    scorer = PairScorer(folder / MODEL_FILES["fp32"], threads=1)
    one, other = scorer.logits([pair, Pair(pair.ids, pair.second + 20, "")])
    assert abs(one - other) > 1e-4


def test_eight_bits_are_computed_in_eight_bits_and_are_smaller(folder: Path) -> None:
    full, short = (folder / MODEL_FILES[name] for name in ("fp32", "int8"))
    kinds = {node.op_type for node in onnx.load(short).graph.node}
    assert "MatMulInteger" in kinds
    assert short.stat().st_size < 0.4 * full.stat().st_size


def test_the_tokenizer_is_the_models_own(folder: Path, base: Base) -> None:
    assert (folder / TOKENIZER_FILE).read_bytes() == base.tokenizer_file.read_bytes()


@pytest.mark.parametrize("name", MODEL_FILES.values())
def test_nothing_of_this_machine_is_in_the_files(folder: Path, name: str) -> None:
    model = (folder / name).read_bytes()
    for told in (b"site-packages", b".py", b"/tmp", str(Path(__file__).parent.parent).encode()):
        assert told not in model


def test_the_same_model_is_exported_to_the_same_bytes_and_nothing_is_printed(
    model: Any, base: Base, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    report, served = exported(model, base, tmp_path)
    assert report.fp32_difference < MAX_DIFFERENCE
    scorer = PairScorer(tmp_path / MODEL_FILES[report.serves], threads=1)
    assert np.array_equal(scorer.logits([one.pair for one in SAMPLES]), served)
    assert {file.name for file in tmp_path.iterdir()} == {*MODEL_FILES.values(), TOKENIZER_FILE}
    assert [(tmp_path / name).read_bytes() == (folder / name).read_bytes() for name in MODEL_FILES.values()] == [
        True
    ] * 2
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("moved", "serves"), [(0, "int8"), (3, "int8"), (4, "fp32")])  # of 370 verdicts
def test_eight_bits_serve_only_where_they_decide_the_same(moved: int, serves: str) -> None:
    samples = SAMPLES * 10
    full = np.linspace(-5, 5, len(samples), dtype=np.float32)
    short = full.copy()
    short[:moved] = 5
    report = compared({"fp32": full, "int8": short}, full, samples, CALIBRATION)
    assert (report.serves, report.pairs) == (serves, 370)
    assert report.int8_agreement == pytest.approx(1 - moved / 370)
    assert (report.int8_difference > 0.9) == (moved > 0)


def test_that_all_stays_unknown_is_no_agreement() -> None:
    silent = SideCalibration(slope=1.0, bias=0.0, unmet_to=None, met_from=None)
    logits = np.linspace(-5, 5, len(SAMPLES), dtype=np.float32)
    report = compared({"fp32": logits, "int8": -logits}, logits, SAMPLES, Calibration(silent, silent, risk=0.2))
    assert report.serves == "fp32"


@pytest.mark.parametrize("apart", [2 * MAX_DIFFERENCE, float("nan")])
def test_a_model_that_onnx_does_not_give_again_is_refused(apart: float) -> None:
    logits = np.zeros(len(SAMPLES), dtype=np.float32)
    with pytest.raises(ExportError, match="other logits than the trained model"):
        compared({"fp32": logits + np.float32(apart), "int8": logits}, logits, SAMPLES, CALIBRATION)
