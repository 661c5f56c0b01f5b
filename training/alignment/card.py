"""The model card of a run: what was trained on what, by whose verdicts, what it gained on held-out questions, and what it is not.

It rests on manifest.json and gold.jsonl alone and quotes no question and no answer. The licence is the user's to name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from agent.errors import InputError
from agent.state import DISCLAIMER
from evals.reports.files import write_report
from training.alignment.config import TINY
from training.alignment.disagreement_text import disagreement_lines
from training.alignment.gold import GoldPoint
from training.alignment.history import gold_gain, gold_interval, read_gold
from training.alignment.manifest import read_manifest

CARD = "README.md"
BEST = "best"
_TEXT = """\
# {title}

> {disclaimer}

**Not for clinical use.** A language model trained by GRPO on rubric rewards with ClinAlign {version}. Its answers may be wrong,
incomplete or dangerous, and no clinician has checked them. {nature}

## Held-out questions

{gold}

## How it was trained

{training}

**The reward**: {reward}

{warnings}## What it is not

- The verdicts behind every figure here are a program's. A policy that learns its judge gets better figures and not better answers:
  measure it by a judge of another make, and have clinicians read its answers.
- {judges}
- The criteria say what an answer must hold or avoid. What no criterion asks for, training did not look at.
- The held-out questions come from the same files as the others, or were named beside them: they say nothing of other questions.

{use}
## What it was made of

{made}
"""

_SERVING = """\
## Serving it

    clinalign revise "QUESTION" --model hf:FOLDER          # in process
    vllm serve FOLDER                                      # then OPENAI_BASE_URL=http://127.0.0.1:8000/v1 and --model openai:FOLDER

FOLDER is `best/` of the run. Before you publish it: name a licence in the head of this file (the base model's licence binds you,
and so may that of the questions), and see to it that no patient's words were among the questions.
"""
_GOING_ON = """\
## Going on

The run has not come to its end, so there is no `best/` yet, and nothing to serve. Begun again as it was, with the same config,
output and number of processes, and with `--resume`, it goes on after its last checkpoint and writes `best/` at its end:

    clinalign train --config {config} --output {name} --resume
"""


def write_card(folder: Path) -> list[Path]:
    """Write the card of a run folder, and beside the weights in best/ where there is one; return where it stands."""
    manifest = read_manifest(folder)
    if manifest is None:
        raise InputError(f"{folder}: has no manifest.json, so there is nothing to write a card of; name a run folder")
    text = card(manifest, read_gold(folder), name=folder.resolve().name, has_best=(folder / BEST).is_dir())
    cards = [place / CARD for place in (folder, folder / BEST) if place.is_dir()]
    for path in cards:
        write_report(path, text)
    return cards


def card(manifest: Mapping[str, Any], gold: list[GoldPoint], *, name: str, has_best: bool = True) -> str:
    """Return the card of a manifest and its judgements; without best/ it is that of a run that can be gone on with."""
    config = manifest["config"]["resolved"]
    is_tiny = config["model"]["path"] == TINY
    title = f"{_plain(name)}: {_plain(Path(config['model']['path']).name)} aligned by rubric rewards"
    text = _TEXT.format(
        title=title,
        disclaimer=DISCLAIMER,
        version=manifest["versions"].get("clinalign", "unknown"),
        nature="It is tiny, made to show that the training works, and writes no sense." if is_tiny else "",
        gold=_gold(manifest, gold, has_best=has_best),
        training=_training(manifest),
        reward=_reward(config["reward"]),
        warnings=_warnings(manifest.get("warnings") or []),
        judges=_judges(config),
        use=_SERVING if has_best else _GOING_ON.format(config=_plain(manifest["config"]["file"]), name=_plain(name)),
        made=_made(manifest),
    )
    return _head(config["model"]["path"], is_tiny=is_tiny) + text


def _head(base: str, *, is_tiny: bool) -> str:
    head: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["clinalign", "medical", "grpo", "trl", "rubric-rewards", "not-for-clinical-use"],
    }
    if not is_tiny and base.count("/") == 1 and not base.startswith((".", "/")):  # an ID of the hub, no folder
        head["base_model"] = base
    return f"---\n{yaml.safe_dump(head, sort_keys=False)}# license: name one here before you publish\n---\n\n"


def _gold(manifest: Mapping[str, Any], gold: list[GoldPoint], *, has_best: bool) -> str:
    model = "this model" if has_best else "the best checkpoint so far"
    best = next((point for point in gold if point.step == manifest.get("best_step")), None)
    if best is None or best.gold is None:
        return f"No judgement of {model} could be had: nothing is known of what training has gained."
    config, before = manifest["config"]["resolved"], gold[0]
    judge = config["gold"].get("judge") or config["reward"]["judge"]
    first = "before training" if before.step == 0 else f"at the first judgement, step {before.step}"
    shown = [(first, before)]
    if best.step != before.step:
        shown.append((f"of {model}, step {best.step}", best))
    return "\n".join(
        [
            f"Mean score (points of met criteria over positive points; 1 is the best) by the gold judge `{_plain(judge)}`,",
            "95 % by drawing questions anew:",
            "",
            _table(("held-out questions", "score"), [(name, _score(point)) for name, point in shown]),
            "",
            _gain(before, best) if best.step else _none_better(has_best=has_best),
            *disagreement_lines(shown, plain=_plain),
            f"The step was chosen among {len(gold)} on these same questions, so a score flatters a little.",
        ]
    )


def _none_better(*, has_best: bool) -> str:
    if has_best:
        return "None was better than the model from before training, so that is what this is."
    return "None was better so far than the model from before training."


def _score(point: GoldPoint) -> str:
    if point.gold is None:
        return "none could be had"
    ends, unscored = gold_interval(point), f", {1 - point.coverage:.0%} without a score" if point.coverage < 1 else ""
    between = f" [{ends[0]:.3f}, {ends[1]:.3f}]" if ends else ""
    return f"{point.gold:.3f}{between}, n = {point.n:,}{unscored}"


def _gain(before: GoldPoint, best: GoldPoint) -> str:
    gain = gold_gain(before, best)
    if gain is None or before.step == best.step:
        return "There is nothing to compare it with."
    mean, between, n = gain
    if between is None:
        return f"Gain, question by question: {mean:+.3f}, n = {n}."
    is_clear = between[0] > 0 or between[1] < 0
    told = "" if is_clear else " The interval holds 0: no gain is shown."
    return f"Gain, question by question: {mean:+.3f} [{between[0]:+.3f}, {between[1]:+.3f}], n = {n:,}.{told}"


def _training(manifest: Mapping[str, Any]) -> str:
    config, counts = manifest["config"]["resolved"], manifest["data"]["counts"]
    rows = [
        ("base model", f"`{_plain(config['model']['path'])}`"),
        ("weights trained", "LoRA adapters, merged" if config.get("lora") is not None else "all"),
        ("supervised training before", "yes" if config.get("warm_start") else "no"),
        *((f"questions: {name.replace('_', ' ')}", value) for name, value in counts.items()),
        ("questions, SHA-256", f"`{manifest['data']['digest']}`"),
        ("judge of the reward", f"`{_plain(config['reward']['judge'])}`"),
        *_unknown(manifest),
        ("steps", manifest.get("steps", "not known")),
        ("ended because", _plain(str(manifest.get("stopped_because", "it has not ended")))),
    ]
    return _table(("what", "which"), rows)


def _unknown(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the row of the verdicts that the reward's judge left open, where the run has come far enough to know."""
    counts = (manifest.get("judges") or {}).get("train") or {}
    given = counts.get("verdicts")
    return [("verdicts it left unknown", f"{counts['unknown'] / given:.0%} of {given:,}")] if given else []


def _reward(reward: Mapping[str, Any]) -> str:
    parts = ["points of met criteria over positive points, of criteria with a verdict"]
    if reward["positive_only"]:
        parts.append("penalties left out")
    if (ceiling := reward.get("saturate_at")) is not None:
        parts.append(f"no better from {ceiling:g} on")
    if veto := reward.get("veto"):
        parts.append(f"{veto['reward']:g} where a criterion of {veto['points']} points or worse is met")
    if length := reward.get("length"):
        parts.append(
            f"up to {length['penalty']:g} less from {length['budget']} words on, all of it at {length['budget'] + length['buffer']}"
        )
    cut = {"none": "no reward", "floor": "the least that an answer can get", "judge": "judged as it is"}[
        reward["truncated"]
    ]
    parts.append(f"an answer that was cut off: {cut}")
    parts.append(f"no reward where less than {reward['min_known']:.0%} of the points have a verdict")
    return "; ".join(parts) + "."


def _judges(config: Mapping[str, Any]) -> str:
    reward = config["reward"]["judge"]
    if (config["gold"].get("judge") or reward) == reward:
        return f"The held-out questions were judged by the judge of the reward, `{_plain(reward)}`: no second opinion is in here."
    return "The judge of the held-out questions is another than the reward's; both may share faults."


def _warnings(warnings: Iterable[str]) -> str:
    told = [f"- {_plain(warning)}" for warning in warnings]
    return "\n".join(["## Warnings of the run", "", *told, "", ""]) if told else ""


def _made(manifest: Mapping[str, Any]) -> str:
    rows = [
        ("config", f"`{_plain(manifest['config']['file'])}`, whole in manifest.json of the run"),
        ("library of principles, content hash", f"`{manifest['library_hash']}`"),
        ("seed", str(manifest["seed"])),
        ("device", _plain(", ".join(f"{name} {value}" for name, value in manifest["device"].items()))),
        ("processes", manifest["processes"]),
        ("versions", _plain(", ".join(f"{name} {number}" for name, number in manifest["versions"].items()))),
        *([("commit", f"`{manifest['commit']}`")] if manifest.get("commit") else []),
        ("started, ended", f"{manifest['started']}, {manifest.get('ended') or 'not yet'}"),
    ]
    return _table(("what", "which"), rows)


def _table(head: tuple[str, str], rows: Iterable[tuple[str, object]]) -> str:
    cells = [f"| {_plain(name)} | {_shown(value)} |" for name, value in rows]
    return "\n".join([f"| {head[0]} | {head[1]} |", "|---|---|", *cells])


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.2f}" if isinstance(value, float) else str(value)


def _plain(text: str) -> str:
    """Return text in one line that can't end a table's cell or a code span."""
    return " ".join(text.replace("|", "/").replace("`", "'").split())
