"""Why a run can't be as its config says, each with the key to change and to what; and what is worth knowing before it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from training.alignment.config import AlignmentConfig
from training.alignment.memory import GIB, vllm_least
from training.alignment.remedies import remedy
from training.alignment.small_judges import notes_of_judges, refusals_of_judges

if TYPE_CHECKING:
    from training.alignment.plan import Plan


def refusals(config: AlignmentConfig, plan: Plan) -> Iterator[str]:
    """Yield what is against a run."""
    counts, batches, shape = plan.counts, plan.batches, plan.shape
    if few := too_few_questions(config, counts.train, batches.questions):
        yield few
    yield from refusals_of_judges(config)
    if shape.context_tokens and batches.tokens > shape.context_tokens:
        yield (
            f"data.max_prompt_tokens + grpo.max_completion_length = {batches.tokens:,}, and the model reads "
            f"{shape.context_tokens:,} tokens; {_shorter(batches.prompt_tokens, shape.context_tokens)}"
        )
    if plan.generator == "vLLM in the process":
        yield from _of_vllm(config, plan)
    if plan.memory.total > plan.device.free:
        yield (
            f"too little memory: about {_gib(plan.memory.total)} are needed in each process and {_gib(plan.device.free)} are "
            f"free; {remedy(config, shape, plan.device, plan.sharding)}"
        )
    if plan.disk.needed > plan.disk.free:
        yield (
            f"too little disk: about {_gib(plan.disk.needed)} are needed at {config.run.output} and {_gib(plan.disk.free)} "
            "are free; set run.output to a larger one, or lower run.keep_checkpoints"
        )


def too_few_questions(config: AlignmentConfig, questions: int, together: int) -> str | None:
    """Tell that there are fewer than are asked together, if so; a stream begins again in the middle of a generation."""
    if questions >= together or config.data.streaming:
        return None
    return (
        f"there are {questions:,} questions to train on, and each generation takes {together:,}; give more questions, or lower "
        "grpo.per_device_train_batch_size or grpo.gradient_accumulation_steps"
    )


def notes(config: AlignmentConfig, plan: Plan) -> Iterator[str]:
    """Yield what isn't against a run and may still surprise."""
    train, together = plan.counts.train, plan.batches.questions
    if train > together and train % together and not config.data.streaming:
        yield f"{train % together:,} questions, others in each epoch, are left out of it: they fill no generation"
    if plan.steps <= config.gold.every:
        yield f"gold.every = {config.gold.every} is no less than the {plan.steps} steps: only start and end are judged"
    if config.warm_start is not None:
        yield "the warm start's memory and time are not in this plan"
    if plan.sharding.kind == "fsdp":
        yield "checkpoints are put together on the first process's host: weights and optimizer must fit into its memory"
    yield from notes_of_judges(config)


def _shorter(prompt: int, context: int) -> str:
    if prompt < context:
        return f"set grpo.max_completion_length = {context - prompt} or less"
    return f"set data.max_prompt_tokens to less than {context}"


def _of_vllm(config: AlignmentConfig, plan: Plan) -> Iterator[str]:
    asked = float(config.grpo.get("vllm_gpu_memory_utilization", 0.3))
    least, total = vllm_least(config, plan.shape), plan.device.total
    if asked * total < least:
        enough = math.ceil(least / total * 20) / 20
        change = f"set it to {enough:g}" if enough < 1 else "raise grpo.vllm_tensor_parallel_size"
        yield (
            f"grpo.vllm_gpu_memory_utilization = {asked:g} gives vLLM {_gib(int(asked * total))}, and it needs about "
            f"{_gib(least)} for the weights and one sequence; {change}"
        )
    window = config.grpo.get("vllm_max_model_length")
    if window is not None and int(window) < plan.batches.tokens:
        yield (
            f"grpo.vllm_max_model_length = {window} is less than data.max_prompt_tokens + grpo.max_completion_length; set it "
            f"to {plan.batches.tokens}"
        )


def _gib(size: int) -> str:
    return f"{size / GIB:,.1f} GiB"
