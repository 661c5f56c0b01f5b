"""The small judges that a config names: which they are, whether they can reward at all, and what is worth knowing before."""

from __future__ import annotations

from collections.abc import Iterator

from agent.small_judge.folder import JudgeFolder, read_judge_folder
from evals.grading.grader import parts_of, small_judges_of
from training.alignment.config import AlignmentConfig
from training.alignment.watched_judge import free_part, watched_part


def small_judges(config: AlignmentConfig) -> dict[str, str]:
    """Return the names of the small judges by key; each says what verdicts depend on. ConfigError for a folder that is none."""
    return {key: folder.name for key, folder in _folders(config)}


def refusals_of_judges(config: AlignmentConfig) -> Iterator[str]:
    """Yield why a small judge alone can't reward: without a verdict on what is wanted there is no score."""
    folder = _alone(config)
    if folder:
        side = folder.facts.calibration.positive
        if side.is_never_sure:
            yield (
                f"reward.judge {folder.name} leaves every criterion with positive points unknown, so that no answer has a "
                f"reward; {_BETTER}"
            )


def notes_of_judges(config: AlignmentConfig) -> Iterator[str]:
    """Yield what of the judges isn't against a run and may still surprise."""
    if config.gold.judge is None:
        watch = " and where that is wrong" if free_part(config) else ""
        yield f"gold.judge is the reward's own: it can't show that the policy learns its judge{watch}; name another"
    elif (free := free_part(config)) and watched_part(config) is None:
        yield (
            f"gold.judge holds {free}, which gives rewards: held against itself it is never wrong, so nothing shows when the "
            "policy learns it; name a gold judge without it"
        )
    if folder := _alone(config):
        yield from _one_sided(folder)
        yield (
            f"{folder.name} leaves unknown what it isn't sure of, and an answer with less than reward.min_known = "
            f"{config.reward.min_known:g} of its points known has no reward: watch reward/none, or lower it"
        )


_BETTER = (
    "distil it from more graded rows or for a larger --risk, or name a model behind it, small:FOLDER,provider:name"
)


def _one_sided(folder: JudgeFolder) -> Iterator[str]:
    """Yield the verdicts that it never gives: what is known of a rubric then says little of the answer."""
    sides = {
        "criteria with positive points": folder.facts.calibration.positive,
        "penalties": folder.facts.calibration.negative,
    }
    for words, side in sides.items():
        never = [name for name, bound in (("met", side.met_from), ("unmet", side.unmet_to)) if bound is None]
        if never:
            yield f"{folder.name} never says {' or '.join(never)} of {words}; {_BETTER}"


def _alone(config: AlignmentConfig) -> JudgeFolder | None:
    """Return the reward's small judge if no other judge stands behind it."""
    spec = config.reward.judge
    folders = small_judges_of([spec])
    return read_judge_folder(folders[0]) if folders and len(parts_of([spec])) == 1 else None


def _folders(config: AlignmentConfig) -> Iterator[tuple[str, JudgeFolder]]:
    for key, spec in (("reward.judge", config.reward.judge), ("gold.judge", config.gold.judge)):
        for folder in small_judges_of([spec] if spec else []):
            yield key, read_judge_folder(folder)
