"""What a cluster offers to whoever makes a principle of it: its criteria, what was asked, when it applies, what it rests on."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from agent.redaction import Redactor
from principles_store.conversation import last_turn
from principles_store.principle import Axis, Polarity, Severity, Source
from training.distillation.clusters import Cluster
from training.distillation.evidence import Evidence
from training.distillation.scenario_keys import Labels, ScenarioKey, scenario_key, value_shares

MOST_SHOWN = 24
"""Criteria shown of a cluster: half of them its nearest, half from all over it, so that a mixed one looks mixed."""
MOST_QUESTIONS = 6
_QUESTION_CHARACTERS = 160
_MOST_SOURCES = 4


@dataclass(frozen=True)
class Material:
    """One cluster; a row of the batch that asks a model about it."""

    id: str
    """Depends on its criteria alone."""
    number: int
    """Position among the clusters."""
    cluster: Cluster
    key: ScenarioKey
    medoid: str
    criteria: tuple[tuple[int, str], ...]
    """Points and text of those shown, the nearest to the centre first, no text twice."""
    questions: tuple[str, ...]
    """What users asked, cut, obvious identifiers taken out."""
    axis: Axis
    points: int
    """Mean of the criteria's, rounded away from 0."""
    sources: tuple[Source, ...]
    """The rubrics' own, the most named first; empty where they name none."""

    @property
    def polarity(self) -> Polarity:
        return "do" if self.cluster.sign > 0 else "avoid"

    @property
    def severity(self) -> Severity:
        weight = abs(self.points)
        return "critical" if weight >= 8 else "major" if weight >= 5 else "minor"


def gather(evidence: Evidence, clusters: Sequence[Cluster], labels: Sequence[Labels]) -> list[Material]:
    """Return the material of each cluster; `labels`: the scenario of each rubric's conversation."""
    base = value_shares(labels)
    return [_material(evidence, number, cluster, labels, base) for number, cluster in enumerate(clusters)]


def _material(
    evidence: Evidence, number: int, cluster: Cluster, labels: Sequence[Labels], base: Mapping[str, float]
) -> Material:
    members = cluster.members.tolist()
    owners = list(dict.fromkeys(evidence.owners[members].tolist()))
    texts = {evidence.texts[position]: evidence.criteria[position].points for position in reversed(members)}
    nearest = [(points, text) for text, points in reversed(texts.items())]
    points = fmean(evidence.criteria[position].points for position in members)
    axes = Counter(evidence.criteria[position].axis for position in members)
    content = "\n".join(sorted(texts)) + str(cluster.sign)
    return Material(
        id=f"cluster-{hashlib.sha256(content.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}",
        number=number,
        cluster=cluster,
        key=scenario_key([labels[owner] for owner in owners], base),
        medoid=nearest[0][1],
        criteria=tuple(_shown(nearest)),
        questions=_questions(evidence, owners),
        axis=min(axes, key=lambda axis: (-axes[axis], axis)),
        points=max(1, round(points)) if cluster.sign > 0 else min(-1, round(points)),
        sources=_sources(evidence, owners),
    )


def _shown(nearest: Sequence[tuple[int, str]]) -> Iterable[tuple[int, str]]:
    if len(nearest) <= MOST_SHOWN:
        return nearest
    half = MOST_SHOWN // 2
    rest = nearest[half:]
    return [*nearest[:half], *(rest[i * len(rest) // half] for i in range(half))]


def _questions(evidence: Evidence, owners: Sequence[int]) -> tuple[str, ...]:
    found: list[str] = []
    for owner in owners:
        asked = " ".join(Redactor().redact(last_turn(evidence.rubrics[owner].conversation)).split())
        if len(asked) > _QUESTION_CHARACTERS:
            asked = f"{asked[:_QUESTION_CHARACTERS].rpartition(' ')[0]} …"
        if asked and asked not in found:
            found.append(asked)
        if len(found) == MOST_QUESTIONS:
            break
    return tuple(found)


def _sources(evidence: Evidence, owners: Sequence[int]) -> tuple[Source, ...]:
    """Return the sources that most of the rubrics name; where none does, none: rubrics are no guideline."""
    counts = Counter(source for owner in owners for source in dict.fromkeys(evidence.rubrics[owner].sources))
    ranked = sorted(counts, key=lambda source: (-counts[source], source.organisation, source.title, source.year))
    return tuple(ranked[:_MOST_SOURCES])
