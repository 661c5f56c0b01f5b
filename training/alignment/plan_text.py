"""A plan as text: one table of what a run will be, and beneath it what is against it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from training.alignment.memory import GIB, as_parts

if TYPE_CHECKING:
    from training.alignment.plan import Plan

_WORDS = {
    "weights": "weights",
    "lora": "LoRA",
    "gradients": "gradients",
    "optimizer": "optimizer",
    "gathered": "gathered or cast weights",
    "activations": "activations",
    "logits": "head and its gradients",
    "kv_cache": "generation by transformers",
    "vllm": "vLLM",
    "overhead": "CUDA and NCCL",
    "held_out": "probabilities of held-out completions",
}


def plan_text(plan: Plan, *, width: int) -> str:
    """Return the plan in lines of at most `width` characters."""
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in _lines(plan):
        table.add_row(name, value)
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=False, highlight=False, markup=False, emoji=False)
    console.print(table)
    for note in plan.notes:
        console.print(f"note: {note}", soft_wrap=True)
    for refusal in plan.refusals:
        console.print(f"refused: {refusal}", soft_wrap=True)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _lines(plan: Plan) -> Iterator[tuple[str, str]]:
    yield from _of_data(plan)
    yield from _of_work(plan)
    memory, device = plan.memory, plan.device
    where = device.name or device.kind
    yield "memory", f"about {_gib(memory.total)} in each process, {_gib(device.free)} free on {where}"
    for name, size in as_parts(memory).items():
        if size and name in _WORDS:
            yield "", f"{_gib(size):>10}  {_WORDS[name]}"
    yield "", f"{_gib(memory.learning):>10}  while it learns, {_gib(memory.generating)} while it generates"
    if memory.held_out:
        yield "", f"{_gib(memory.judging):>10}  while it is judged"
    yield "disk", f"about {_gib(plan.disk.needed)}, {_gib(plan.disk.free)} free"


def _of_data(plan: Plan) -> Iterator[tuple[str, str]]:
    counts = plan.counts
    yield "questions", f"{counts.train:,} to train on, {counts.gold:,} held out and asked{_left_out(plan)}"
    yield "rubrics", f"{counts.criteria_mean:.1f} criteria on average, at most {counts.criteria_most:,}"
    yield "prompts", f"{counts.prompt_tokens_mean:,.0f} tokens on average, at most {counts.prompt_tokens_most:,}"


def _of_work(plan: Plan) -> Iterator[tuple[str, str]]:
    shape, batches, judge = plan.shape, plan.batches, plan.judge
    yield "model", f"{shape.kind}, {_short(shape.parameters)} parameters, {_short(shape.trained)} trained"
    yield "processes", f"{plan.sharding.processes} ({plan.sharding.kind}), completions by {plan.generator}"
    at_once = f"{batches.questions:,} questions x {batches.group} at once"
    yield "steps", f"{plan.steps:,} of {batches.completions_per_step:,.0f} completions; {at_once}"
    tokens = _short(plan.completions * batches.completion_tokens)
    yield "completions", f"{plan.completions:,}, at most {tokens} tokens of the policy"
    yield "gold", f"{plan.judgements:,} judgements of {plan.counts.gold:,} questions"
    if not judge.calls:
        yield "judge", "no model is called"
        return
    cost = f", cost {judge.cost:,.2f}" if judge.cost else ""
    tokens = f"{_short(judge.input_tokens)} tokens in and {_short(judge.output_tokens)} out"
    yield "judge", f"at most {judge.calls:,} calls ({judge.gold_calls:,} for gold), about {tokens}{cost}"


def _left_out(plan: Plan) -> str:
    counts = plan.counts
    told = {
        "held out and not asked": counts.left_out_gold,
        "too long": counts.too_long,
        "asking what a held-out one asks": counts.asked_as_gold,
        **counts.passed_over,
    }
    return "".join(f"; {count:,} {what}" for what, count in told.items() if count)


def _gib(size: int) -> str:
    return f"{size / GIB:,.1f} GiB" if size >= GIB // 10 else f"{size / (1 << 20):.1f} MiB"


def _short(number: int) -> str:
    for unit, size in (("billion", 1e9), ("million", 1e6)):
        if number >= size:
            return f"{number / size:.2f} {unit}"
    return f"{number:,}"
