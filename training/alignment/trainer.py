"""What is added to TRL's GRPOTrainer: exact resume, gold judgements, checkpoints that are whole or not there.

A class to mix in before TRL's, so that `training/grpo.py` stays the one importer of trl. What it overrides of TRL and
transformers, and why, is told at each method.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.alignment.checkpoints import checkpoint_at, is_whole, mark_whole, thin_out
from training.alignment.gold import GoldWatch, judged, mean_reward
from training.alignment.randomness import RandomState, random_state, randomness_of_its_own, set_random_state
from training.alignment.reward_guard import RewardGuard
from training.alignment.sampler import EpochSampler

if TYPE_CHECKING:
    from transformers import Trainer
else:
    Trainer = object

GOLD_SEED = 7_919
"""Added to the run's seed for gold judgements: all draw the same, so that they differ by the policy alone."""


def gold_seed(args: Any) -> int:
    """Return the seed of a process's judgements: its own, but for processes that share a vLLM, which must all sample alike.

    With other tokens on each of its GPUs, a model that vLLM has cut in parts says nonsense, or waits for ever.
    """
    sharing = args.vllm_tensor_parallel_size if args.use_vllm and args.vllm_mode == "colocate" else 1
    return int(args.seed + GOLD_SEED + args.process_index // sharing)


class ExactTrainer(Trainer):
    """Mixed in before trl.GRPOTrainer; `watch`, `guard` and `keep` are set before training."""

    watch: GoldWatch
    guard: RewardGuard
    keep: int
    """Checkpoints besides the best."""
    num_generations_eval: Any
    _metrics: Any
    """TRL's: what the next log averages, by mode."""
    order: EpochSampler | None = None
    """None for a stream, whose passes have orders of their own."""
    _after_step: tuple[int, RandomState, int] | None = None
    """Step, random state, tokens so far."""

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        """Return an order that a resumed run finds again; TRL's depends on how often it was asked for."""
        args: Any = self.args
        self.order = EpochSampler(
            self.train_dataset if train_dataset is None else train_dataset,  # type: ignore[arg-type]
            questions=args.generation_batch_size // args.num_generations,
            generations=args.num_generations,
            repeats=args.num_iterations * args.steps_per_generation,
            seed=args.seed,
            shuffle=args.shuffle_dataset,
        )
        return self.order

    def prediction_step(self, model: Any, inputs: Any, *_: Any, **__: Any) -> tuple[None, None, None]:
        """Generate and score held-out questions; TRL's also computes a loss, which says nothing here and takes memory."""
        self._prepare_inputs(inputs)
        return None, None, None

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        """Judge the held-out questions with random numbers of their own, each question counted once.

        TRL's mean is one over batches, of which the last may be smaller or, on several processes, filled up with questions
        that were asked already.
        """
        self.guard.begin_judgement()
        with randomness_of_its_own(gold_seed(self.args)):
            output = super().evaluation_loop(*args, **kwargs)
        last = self.watch.points[-1].step if self.watch.points else -1
        point = judged(
            self.state.global_step,
            self.guard.gold_scores(generations=self.num_generations_eval),
            reward=mean_reward(self.state.log_history, after=last),
            disagreement=self.guard.disagreement(generations=self.num_generations_eval),
        )
        self.watch.add(point)
        metrics = self._metrics["eval"]
        metrics["reward"] = [float("nan") if point.gold is None else point.gold]
        metrics["coverage"] = [point.coverage]
        for name, value in (point.disagreement.metrics() if point.disagreement else {}).items():
            metrics[name] = [value]
        return output

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Load weights as `from_pretrained` does; transformers' own way here passes over what a checkpoint holds in another layout.

        Experts are such: saved one by one, fused in memory. Adapters, FSDP and DeepSpeed have ways of their own.
        """
        policy: Any = self.model if model is None else model
        if hasattr(policy, "peft_config") or self.is_fsdp_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        policy.load_state_dict(type(policy).from_pretrained(resume_from_checkpoint, dtype=policy.dtype).state_dict())

    def _save_checkpoint(self, model: Any, trial: Any = None) -> None:
        """Save, then say that it is whole, then delete older ones; transformers deletes before all processes are done."""
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            folder = Path(str(self.args.output_dir))
            mark_whole(checkpoint_at(folder, self.state.global_step))
            thin_out(folder, keep=self.keep, best_step=self.watch.best.step if self.watch.best else None)

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Write none: the run has a card of its own."""

    def remember_step(self) -> None:
        """Keep what the next step changes before its weights, for a checkpoint that is asked for in the middle of it."""
        self._after_step = (self.state.global_step, random_state(), self.state.num_input_tokens_seen)

    def save_last_step(self) -> bool:
        """Write a checkpoint of the last finished step, from the middle of the next; False: there is nothing new to save."""
        if self._after_step is None or self._after_step[0] != self.state.global_step:
            return False
        if is_whole(checkpoint_at(Path(str(self.args.output_dir)), self.state.global_step)):
            return False
        _, randomness, self.state.num_input_tokens_seen = self._after_step
        set_random_state(randomness)
        self._save_checkpoint(self.model, None)
        return True
