"""What every training run imports; loaded once, by the process that runs are forked from."""

import matplotlib.figure
import peft
import torch
import trl.trainer.grpo_trainer
import trl.trainer.sft_trainer

import training.alignment.callbacks
import training.alignment.card
import training.alignment.curves
import training.alignment.datasets
import training.alignment.export
import training.alignment.trainer
import training.grpo
import training.reward

__all__ = ["matplotlib", "peft", "torch", "training", "trl"]
torch.set_num_threads(1)
