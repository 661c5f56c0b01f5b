"""What is added to transformers' Trainer: our batches and loss, our evaluation, checkpoints that are whole or not there.

A class to mix in before transformers', so that `training/small_judge.py` stays its importer.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.errors import ConfigError
from training.alignment.checkpoints import checkpoint_at, mark_whole, thin_out
from training.judge_distillation.batches import LengthBatches, collated, predict_logits
from training.judge_distillation.course import course_of
from training.judge_distillation.device import Computing
from training.judge_distillation.moments import auc_by_polarity, aucs_without
from training.judge_distillation.samples import Sample

if TYPE_CHECKING:
    import torch
    from torch.utils.data import DataLoader
    from transformers import Trainer
else:
    Trainer = object


class JudgeTrainer(Trainer):
    """Mixed in before transformers.Trainer; its own attributes are set before training."""

    batches: LengthBatches
    held: Sequence[Sample]
    computing: Computing
    weights: tuple[float, float]
    """Of unmet and met in the loss."""

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return batches of like length, in an order that a resumed training finds again."""
        from torch.utils.data import DataLoader

        loader: Any = DataLoader(
            self.train_dataset,  # type: ignore[arg-type]
            batch_sampler=self.batches,
            collate_fn=collated,
            pin_memory=self.args.dataloader_pin_memory,
        )
        return self.accelerator.prepare(loader)  # type: ignore[no-any-return]

    def compute_loss(self, model: Any, inputs: dict[str, Any], *_: Any, **__: Any) -> torch.Tensor:
        """Return the mean binary cross-entropy over the batch, each class with its weight."""
        import torch

        labels = inputs.pop("labels")
        logits = model(**inputs).logits[:, 0].float()
        unmet, met = self.weights
        weight = torch.where(labels > 0.5, met, unmet)
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, weight=weight)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Ask about the held-out conversations; raises ConfigError where the training has come to no number."""
        logits = predict_logits(self.model, self.held, low_precision=self.computing.low_precision)
        if not np.isfinite(logits).all():
            raise ConfigError(
                "the training has diverged: the model gives no numbers any more; give a lower learning rate"
            )
        found: dict[str, Any] = {
            "eval_auc": auc_by_polarity(logits, self.held),
            "eval_auc_without": aucs_without(logits, self.held),
        }
        self.log(found)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
        return found

    def _save_checkpoint(self, model: Any, trial: Any = None) -> None:
        """Save, say that it is whole, then delete all but this one and that of the greatest AUC."""
        super()._save_checkpoint(model, trial)
        folder = Path(str(self.args.output_dir))
        mark_whole(checkpoint_at(folder, self.state.global_step))
        thin_out(folder, keep=1, best_step=course_of(self.state).greatest_step)


def class_weights(samples: Sequence[Sample]) -> tuple[float, float]:
    """Return the weights of unmet and met in the loss: both classes weigh the same, and the mean over all samples is 1."""
    met = sum(sample.met for sample in samples)
    return len(samples) / (2 * (len(samples) - met)), len(samples) / (2 * met)
