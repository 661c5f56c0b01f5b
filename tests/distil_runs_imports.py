"""What every training of a small judge imports; loaded once, by the process that runs are forked from."""

import accelerate
import onnx
import onnxruntime.quantization
import onnxscript
import tokenizers
import torch
import torch.onnx
import transformers.trainer

import training.judge_distillation.rhythm
import training.small_judge

__all__ = ["accelerate", "onnx", "onnxruntime", "onnxscript", "tokenizers", "torch", "training", "transformers"]
torch.set_num_threads(1)
