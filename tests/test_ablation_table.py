"""The sentences of an ablation: what may be said of the principles, and what may not."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from ablation_work import OPTIONS, an_ablation, label_table, run, table
from eval_work import OWN, WANTED, PartModel, data_file, data_rows
from rich.console import Console

from agent.testing import FakeServer
from evals.ablation.results import ArmFigures, Results
from evals.ablation.statements import label_statements, statements
from evals.ablation.table import Report, markdown_report, print_report
from evals.comparison.compare import Comparison


def rubric(*, ours: int, theirs: int):
    """Return a rubric on which the agent's first word is worth so much, and self-critique's so much; the rest 10 together."""
    words = {WANTED[0]: ours, OWN[0]: theirs, "filler": 9 - max(ours, theirs) + 1}
    return [{"criterion": f'Says "{word}"', "points": points, "tags": []} for word, points in words.items()]


def found_with(folder, context, rows, arms="generic,shipped"):
    with FakeServer(PartModel()) as server:
        ablation = an_ablation(data_file(folder, rows), folder / "out", context, server, arms=arms)
        run(ablation)
    return ablation


@pytest.mark.parametrize(
    ("count", "ours", "theirs", "said"),
    [
        (
            12,
            6,
            2,
            "The agent has shown a gain over self-critique with the same budget: +0.333 [+0.333, +0.333] on 12",
        ),
        (12, 2, 6, "The agent has done worse than self-critique with the same budget: −0.333"),
        (12, 4, 4, "The agent has not shown a gain over self-critique with the same budget: 0.000"),
        (9, 6, 2, "Too few prompts to tell whether the agent gives more"),
    ],
)
def test_the_first_sentence_says_what_the_interval_allows(tmp_path, context, count, ours, theirs, said):
    ablation = found_with(tmp_path, context, data_rows(count, rubrics=rubric(ours=ours, theirs=theirs)))
    assert statements(table(ablation))[0].startswith(said)


@pytest.mark.parametrize(
    ("arms", "said"),
    [
        (
            "shipped",
            "Without the arm generic, which has the same budget, no gain can be credited to principles or seeds.",
        ),
        ("generic", "The arm shipped, the agent as it is shipped, was not run"),
    ],
)
def test_without_a_rival_nothing_is_credited(tmp_path, context, arms, said):
    assert statements(table(found_with(tmp_path, context, data_rows(2), arms)))[0].startswith(said)


def test_a_rival_that_spent_fewer_calls_is_told_of(tmp_path, context):
    lazy = PartModel(lambda case, job: '{"problems": []}' if job == "problems" else None)
    with FakeServer(lazy) as server:
        ablation = an_ablation(
            data_file(tmp_path, data_rows(12)), tmp_path / "out", context, server, arms="generic,shipped"
        )
        run(ablation)
    said = statements(table(ablation))[0]
    assert "Though both might make 4 calls, shipped made 3.00 per answer and generic 1.00" in said


def test_seeds_and_principles_are_credited_apart(tmp_path, context):
    found = table(found_with(tmp_path, context, data_rows(2), "retrieved,seeds,shipped"))
    assert {what: (pair.name_a, pair.name_b) for what, pair in found.credits.items()} == {
        "seeds": ("retrieved", "shipped"),
        "principles": ("seeds", "shipped"),
    }
    said = statements(found)
    assert said[1].startswith("What the seeds add, all else alike (shipped against retrieved): 0.000")


def test_the_other_arms_stand_beside_it_as_uncorrected(tmp_path, context):
    said = statements(table(found_with(tmp_path, context, data_rows(2), "generic,all,shipped")))
    assert len(said) == 2
    assert said[1].startswith("Beside it, uncorrected for so many looks: all against generic")


def test_labels_are_reported_with_how_many_there_were(tmp_path, context):
    rows = data_rows(3)
    rows[0]["example_tags"] = ["physician_agreed_category:non-emergent"]
    said = label_statements(label_table(found_with(tmp_path, context, rows, "shipped,oracle")))
    assert said[0].startswith(
        "True labels: 1 of 3 answers have them, the others have the classifier's; among 1 that count"
    )
    assert said[1].startswith("On these, true labels against the classifier's: 0.000")


def test_no_labels_at_all_is_said(tmp_path, context):
    said = label_statements(label_table(found_with(tmp_path, context, data_rows(1), "oracle")))
    assert said == [
        "True labels: 0 of 1 answers have them, the others have the classifier's: nothing can be said of them."
    ]


def test_the_markdown_has_no_word_of_prompt_answer_or_criterion(tmp_path, context):
    ablation = found_with(tmp_path, context, data_rows(2), "generic")
    report = Report(table(ablation), None, OPTIONS, {"model": "openai:fake"}, ["beware"], "clinalign eval ablate x")
    text = markdown_report(report)
    assert "| generic |" in text
    assert all(word not in text for word in ("My head", "plain draft", "delta", "Says"))
    assert "Note: beware" in text


def report_of(found: Results) -> Report:
    return Report(found, None, OPTIONS, {}, [], "clinalign eval ablate x")


def printed(report: Report, width: int) -> str:
    print_report(report, Console(file=(shown := StringIO()), width=width))
    return shown.getvalue()


def roomy(arm: ArmFigures) -> ArmFigures:
    """Return the arm with figures that take as much room as they may."""

    def wide(pair: Comparison | None) -> Comparison | None:
        return pair and replace(pair, overall=replace(pair.overall, difference=-0.1234, ci95=(-0.2345, -0.0123)))

    return replace(
        arm,
        overall=replace(arm.overall, raw_mean=-0.4123, ci95=(-0.4841, -0.3412)),
        spent=replace(arm.spent, calls=12, input_tokens=156_000, output_tokens=9_000, seconds=1234.5),
        revised=1.0 if arm.to_base else 0.0,
        to_base=wide(arm.to_base),
        to_rival=wide(arm.to_rival),
    )


def test_at_80_columns_every_figure_of_the_markdown_stands_whole_on_its_arm_s_lines(tmp_path, context):
    found = table(found_with(tmp_path, context, data_rows(2), "generic-3,shipped-3"))
    report = report_of(replace(found, arms=tuple(map(roomy, found.arms))))
    lines = printed(report, 80).splitlines()
    rows = [
        line.strip("| ").split(" | ")
        for line in markdown_report(report).replace("\\", "").splitlines()
        if line.startswith("| ")
    ]
    assert [row[0] for row in rows[1:]] == ["base", "generic-3", "shipped-3"]
    assert "−0.123 [−0.234, −0.012]" in rows[3]
    for name, *cells in rows[1:]:
        first, second = (line.split(maxsplit=1)[1] for line in lines if line.split()[:1] == [name])
        assert all(cell in f"{first} {second}" for cell in cells)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("width", [40, 60, 79])
def test_where_there_is_less_room_no_figure_is_cut(tmp_path, context, width):
    found = table(found_with(tmp_path, context, data_rows(2), "generic-3,shipped-3"))
    assert "…" not in printed(report_of(replace(found, arms=tuple(map(roomy, found.arms)))), width)
