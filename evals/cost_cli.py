"""`clinalign eval overhead | load | prefix`: what the agent costs over the model it calls, alone and behind the server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agent.state import AgentContext

Drafts = Annotated[Path | None, typer.Argument(help="JSONL of drafts; without it the shipped sample is revised.")]


def overhead(
    file: Drafts = None,
    call_seconds: Annotated[float, typer.Option(help="What the fake model takes per call.", min=0.01)] = 1.0,
    limit: Annotated[int, typer.Option(help="Drafts to time; three calls each, twice.", min=1)] = 10,
    example: Annotated[Path, typer.Option(help="The sample used without a file.")] = Path(
        "examples/chest_pressure.json"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Time the agent beside its model calls and beside a bare loop; count calls and prompt tokens beside a naive loop."""
    from dataclasses import asdict

    from evals.batch.case_rows import read_pairs
    from evals.overhead import measure_calls, measure_overhead

    pairs, context = read_pairs(file, example), _context()
    timed = (pairs * limit)[:limit]
    time, calls = measure_overhead(timed, context, call_seconds=call_seconds), measure_calls(pairs, context)
    if as_json:
        typer.echo(json.dumps({"overhead": asdict(time) | {"share": time.share}, "calls": asdict(calls)}, indent=2))
        return
    for name, median, (low, high) in (
        ("the agent", time.agent, time.agent_spread),
        ("of which scenario and principles", time.encoding, time.encoding_spread),
        ("a bare loop of three calls", time.bare_loop, time.bare_loop_spread),
    ):
        typer.echo(f"{name}: {1000 * median:.1f} ms [{1000 * low:.1f}, {1000 * high:.1f}] beside the calls, n {time.n}")
    typer.echo(f"the agent's share of an answer with 3 calls of {call_seconds:g} s: {time.share:.2%}")
    typer.echo(
        f"per revised answer, n {calls.n}: {calls.agent_calls:.1f} calls and {calls.agent_prompt_tokens:.0f} prompt tokens; "
        f"a naive loop: {calls.naive_calls:.1f} and {calls.naive_prompt_tokens:.0f}"
    )


def load(
    file: Drafts = None,
    requests: Annotated[int, typer.Option(help="Answers asked for.", min=1)] = 200,
    in_flight: Annotated[int, typer.Option(help="At once.", min=1)] = 64,
    call_seconds: Annotated[float, typer.Option(help="What the fake model takes per call.", min=0.01)] = 1.0,
    example: Annotated[Path, typer.Option(help="The sample used without a file.")] = Path(
        "examples/chest_pressure.json"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Put `clinalign serve` under load: throughput against the ideal, and the time to the first event."""
    from dataclasses import asdict

    from evals.batch.case_rows import read_pairs
    from evals.serving import measure_serving

    pairs = [
        (asked if isinstance(asked, str) else asked[-1]["content"], draft) for asked, draft in read_pairs(file, example)
    ]
    found = measure_serving(pairs, requests=requests, in_flight=in_flight, call_seconds=call_seconds)
    if as_json:
        typer.echo(json.dumps(asdict(found) | {"share_of_ideal": found.share_of_ideal}, indent=2))
        return
    middle, late, worst = (found.first_event_ms(share) for share in (0.5, 0.95, 1))
    typer.echo(
        f"{requests} answers of 3 calls of {call_seconds:g} s, {in_flight} in flight: {found.seconds:.1f} s, "
        f"{found.share_of_ideal:.0%} of the ideal, {found.errors} failed; "
        f"first event after {middle:.0f} ms (median), {late:.0f} (95 %), {worst:.0f} (worst)"
    )


def prefix(
    file: Drafts = None,
    base_url: Annotated[str, typer.Option(help="Of a server that reports cached tokens, ending in /v1.")] = "",
    model: Annotated[str, typer.Option(help="Its name of the model.")] = "",
    limit: Annotated[int, typer.Option(help="Drafts.", min=1)] = 20,
    example: Annotated[Path, typer.Option(help="The sample used without a file.")] = Path(
        "examples/chest_pressure.json"
    ),
) -> None:
    """Send the agent's prompts to a server and print which share its prefix cache served."""
    from agent.errors import ConfigError
    from evals.batch.case_rows import read_pairs
    from evals.prefix import measure_prefix

    if not base_url or not model:
        raise ConfigError("--base-url and --model of a running server are needed; vLLM: --enable-prompt-tokens-details")
    found = measure_prefix(read_pairs(file, example)[:limit], _context(), base_url=base_url, model=model)
    for call, name in enumerate(("critique", "revision", "judgement")):
        typer.echo(f"{name}: {found.tokens[call] / found.n:.0f} prompt tokens, {found.share(call):.0%} from the cache")
    typer.echo(f"calls 2 and 3 together: {found.share(1, 2):.0%} from the cache, n {found.n}")


def _context() -> AgentContext:
    """Return what an agent with a model has; the measurement puts in a model of its own."""
    from dataclasses import replace

    from agent.config import load_settings
    from agent.context import load_context, open_seeds

    settings = load_settings()
    context = load_context(settings)
    return replace(context, seeds=open_seeds(settings, context.embedder))
