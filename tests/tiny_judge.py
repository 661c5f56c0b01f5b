"""A small judge whose verdicts can be told by reading: the share of a criterion's words that conversation and answer have too.

All of them: met. None: unmet. Half of them: unknown. Its folder is a real one, made in milliseconds and without training.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

from agent.small_judge.calibration import Calibration, SideCalibration
from agent.small_judge.folder import JUDGE_FILE, MODEL_FILES, TOKENIZER_FILE, JudgeFacts, Precision, file_digest
from agent.small_judge.reading import Layout
from principles_store.embedding import DEFAULT_ID, default_model_folder

STEEPNESS = 12.0
"""logit = STEEPNESS * (share of shared words - 1/2), so that the share 1 has the probability 0.998."""
SIDE = SideCalibration(slope=1.0, bias=0.0, unmet_to=0.2, met_from=0.8)
CALIBRATION = Calibration(SIDE, SIDE, risk=0.2)
NEVER_SURE = SideCalibration(slope=1.0, bias=0.0, unmet_to=None, met_from=None)


def make_tiny_judge(
    folder: Path,
    *,
    calibration: Calibration = CALIBRATION,
    steepness: float = STEEPNESS,
    layout: Layout | None = None,
    serves: Precision = "fp32",
) -> Path:
    """Write a small judge's folder and return it; `steepness` below zero makes a judge that is wrong about everything."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer()
    tokenizer.save(str(folder / TOKENIZER_FILE))
    model = _word_overlap(tokenizer, steepness)
    for name in MODEL_FILES.values():
        (folder / name).write_bytes(model)
    files = (*MODEL_FILES.values(), TOKENIZER_FILE)
    facts = JudgeFacts(
        layout or Layout(),
        calibration,
        DEFAULT_ID,
        serves,
        {name: file_digest(folder / name) for name in files},
        {"digest": "0" * 64, "answers": 0, "verdicts": 0},
    )
    (folder / JUDGE_FILE).write_text(json.dumps(facts.as_dict()), encoding="utf-8")
    return folder


@cache
def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(default_model_folder() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _word_overlap(tokenizer: Tokenizer, steepness: float) -> bytes:
    """Return a model of the small judge's inputs and output that compares token ids, and has learnt nothing."""
    unread = [tokenizer.token_to_id(token) for token in ("[PAD]", "[CLS]", "[SEP]", "good", "bad", ":", ".", ",")]
    constants: dict[str, npt.NDArray[Any]] = {
        "unread": np.array(unread, dtype=np.int64).reshape(1, 1, -1),
        "last": np.array([2], dtype=np.int64),
        "middle": np.array([1], dtype=np.int64),
        "tokens": np.array([1], dtype=np.int64),
        "one": np.array(1.0, dtype=np.float32),
        "half": np.array(0.5, dtype=np.float32),
        "steepness": np.array(steepness, dtype=np.float32),
    }
    nodes = [
        helper.make_node("Unsqueeze", ["input_ids", "last"], ["rows"]),  # (B, T, 1)
        helper.make_node("Unsqueeze", ["input_ids", "middle"], ["columns"]),  # (B, 1, T)
        helper.make_node("Equal", ["rows", "unread"], ["is_each_unread"]),  # (B, T, U)
        helper.make_node("Cast", ["is_each_unread"], ["each_unread"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["each_unread", "last"], ["unread_tokens"], keepdims=0),  # (B, T)
        helper.make_node("Sub", ["one", "unread_tokens"], ["read_tokens"]),
        helper.make_node("Cast", ["token_type_ids"], ["of_second"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["one", "of_second"], ["of_first"]),
        helper.make_node("Mul", ["of_first", "read_tokens"], ["asked"]),  # 1 for the criterion's words
        helper.make_node("Equal", ["rows", "columns"], ["are_same"]),  # (B, T, T)
        helper.make_node("Cast", ["are_same"], ["same"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["of_second", "middle"], ["second_columns"]),
        helper.make_node("Mul", ["same", "second_columns"], ["same_as_second"]),
        helper.make_node("ReduceMax", ["same_as_second", "last"], ["found"], keepdims=0),  # (B, T)
        helper.make_node("Mul", ["found", "asked"], ["shared"]),
        helper.make_node("ReduceSum", ["shared", "tokens"], ["shared_words"], keepdims=0),  # (B,)
        helper.make_node("ReduceSum", ["asked", "tokens"], ["asked_words"], keepdims=0),
        helper.make_node("Max", ["asked_words", "one"], ["at_least_one"]),
        helper.make_node("Div", ["shared_words", "at_least_one"], ["share"]),
        helper.make_node("Sub", ["share", "half"], ["above_half"]),
        helper.make_node("Mul", ["above_half", "steepness"], ["logits"]),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "token_type_ids", "attention_mask")
    ]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch"])]
    kept = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "word_overlap", inputs, outputs, kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(model.SerializeToString())
