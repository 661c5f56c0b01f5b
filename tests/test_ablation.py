"""`eval ablate`: every arm on the same drafts, each what it says it is, none paid twice, and one table that adds up."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from ablation_work import an_ablation, answers_of, graded_of, harmed, label_table, mean, run, score_of, table
from eval_work import DRAFT, OWN, SETTINGS, WANTED, PartModel, data_file, data_rows

from agent.context_window import ContextWindow, WindowFacts
from agent.errors import ConfigError, InputError
from agent.ledger import Bounds
from agent.testing import FakeServer, Fault
from evals.ablation.arms import ARMS, BASE, CALLS_PER_ROUND, GENERIC, SHIPPED

CALM = "physician_agreed_category:non-emergent"
NO_BOUNDS = Bounds()
ROUNDS = {
    "generic": 1,
    "retrieved": 1,
    "seeds": 1,
    "shipped": 1,
    "generic-2": 2,
    "shipped-2": 2,
    "generic-3": 3,
    "shipped-3": 3,
}


@pytest.fixture(scope="module")
def complete(tmp_path_factory, context):
    """Run all arms on six rows of which two have true labels, once, and give the ablation and what the model was asked."""
    folder = tmp_path_factory.mktemp("ablation")
    rows = data_rows(6)
    for row in rows[:2]:
        row["example_tags"] = ["theme:emergency_referrals", CALM]
    with FakeServer(model := PartModel()) as server:
        ablation = an_ablation(data_file(folder, rows), folder / "out", context, server)
        progress = run(ablation)
    assert not progress.stopped_because
    assert not progress.errors
    return ablation, model


def window(size):
    return ContextWindow(lambda: WindowFacts(size))


def test_a_draft_is_written_once_and_every_arm_revises_it(complete):
    ablation, model = complete
    assert model.jobs["draft"] == 6
    for arm in ARMS:
        assert {row["draft"] for row in answers_of(ablation, arm.name).values()} == {DRAFT}


def test_all_principles_are_in_the_prompt_of_that_arm_and_of_no_other(complete):
    ablation, model = complete
    library = ablation.context.index.library
    titles = [f"{principle.title}. " for principle in library]
    counts = [sum(title in text for title in titles) for text in model.prompts("CRITIQUE")]
    assert counts.count(len(titles)) == 6
    assert all(count <= ablation.context.k for count in counts if count != len(titles))
    whole = next(text for text, count in zip(model.prompts("CRITIQUE"), counts, strict=True) if count == len(titles))
    assert f"numbered 1 to {len(titles)}." in whole
    assert all(criterion.text in whole.replace("\n", " ") for principle in library for criterion in principle.criteria)


@pytest.mark.parametrize("name", ROUNDS)
def test_an_arm_goes_as_many_rounds_as_it_says(complete, name):
    ablation, rounds = complete[0], ROUNDS[name]
    words = (WANTED if name.startswith(("retrieved", "shipped", "seeds")) else OWN)[:rounds]
    for row in answers_of(ablation, name).values():
        assert set(re.findall(r"It is (\w+)\.", row["response"])) == set(words)
        assert row["rounds"] == rounds


@pytest.mark.parametrize("name", ROUNDS)
def test_the_calls_of_an_arm_are_counted_without_the_draft(complete, name):
    ablation, _ = complete
    expected = 1 + 2 * ROUNDS[name] if name.startswith(("retrieved", "shipped", "seeds")) else 3 * ROUNDS[name]
    assert table(ablation).of(name).spent.calls == expected
    assert {row["usage"]["calls"] for row in answers_of(ablation, name).values()} == {expected}


def test_the_base_counts_the_calls_of_its_drafts(complete):
    assert table(complete[0]).of(BASE).spent.calls == 1


def test_rivals_have_the_same_budget(complete):
    for arm in ARMS:
        if arm.rival:
            rival = next(other for other in ARMS if other.name == arm.rival)
            assert (arm.most_calls, arm.rounds) == (rival.most_calls, rival.rounds) == (
                CALLS_PER_ROUND * arm.rounds, arm.rounds)  # fmt: skip
            assert arm.limits(SETTINGS.limits()) == rival.limits(SETTINGS.limits())


def test_the_oracle_has_the_physicians_labels_where_there_are_any(complete):
    ablation, _ = complete
    rows = answers_of(ablation, "oracle")
    assert {id: row["scenario"]["urgency"] for id, row in rows.items() if row["true_labels"]} == {
        "p0": "non-emergent",
        "p1": "non-emergent",
    }
    shipped = answers_of(ablation, SHIPPED)
    assert shipped["p0"]["scenario"]["urgency"] == rows["p0"]["classified"]["urgency"] != "non-emergent"
    assert all(rows[id]["scenario"] == shipped[id]["scenario"] for id in ("p2", "p3", "p4", "p5"))


def test_true_labels_decide_which_principles_the_model_is_shown(complete):
    _, model = complete
    prompts = [text for text in model.prompts("CRITIQUE") if "(case 0)" in text]
    shown = [tuple(re.findall(r"<principle number=.*?>\n(.*?)\. ", text)) for text in prompts]
    assert len(shown) == 7
    assert len(set(shown)) == 4, "the whole library, those of the classifier's scenario, those of the true one, none"


def test_labelled_answers_are_counted_and_have_a_table_of_their_own(complete):
    found = label_table(complete[0])
    assert (found.asked, found.without, found.corrected) == (2, 4, 2)
    assert found.results is not None
    assert (found.results.answers, found.gain.overall.n) == (2, 2)


def test_the_table_is_what_the_files_say(complete):
    ablation, _ = complete
    found = table(ablation)
    graded = {name: graded_of(ablation, name) for name in ablation.names}
    for arm in found.arms:
        own, base = graded[arm.name], graded[BASE]
        scores = {id: score_of(row) for id, row in own.items()}
        assert arm.overall.raw_mean == pytest.approx(mean(list(scores.values())))
        usage = [row["usage"] for row in answers_of(ablation, arm.name).values()]
        assert arm.spent.tokens == pytest.approx(mean([u["input_tokens"] + u["output_tokens"] for u in usage]))
        if arm.to_base is None:
            continue
        assert arm.to_base.overall.difference == pytest.approx(mean([scores[id] - score_of(base[id]) for id in base]))
        spoiled, criteria = map(sum, zip(*(harmed(base[id], own[id]) for id in base), strict=True))
        assert arm.to_base.changes["all"].harm.share == pytest.approx(spoiled / criteria)
        lengths = [mean([len(row["response"]) for row in rows.values()]) for rows in (own, base)]
        assert arm.to_base.length.ratio_of_means == pytest.approx(lengths[0] / lengths[1])
        if arm.rival:
            against = [scores[id] - score_of(graded[arm.rival][id]) for id in own]
            assert arm.to_rival.overall.difference == pytest.approx(mean(against))


def test_starting_again_does_nothing_and_pays_nothing(complete, context):
    ablation, _ = complete
    with FakeServer(model := PartModel()) as server:
        again = an_ablation(ablation.data, ablation.folder, context, server)
        run(again)
    assert not model.bodies


def test_a_draft_that_the_row_brings_is_the_base(tmp_path, context):
    rows = [*data_rows(1, draft="My own draft."), *data_rows(2)[1:]]
    with FakeServer(model := PartModel()) as server:
        ablation = an_ablation(data_file(tmp_path, rows), tmp_path / "out", context, server, arms="generic")
        run(ablation)
    assert model.jobs["draft"] == 1
    base, generic = answers_of(ablation, BASE), answers_of(ablation, GENERIC)
    assert (base["p0"]["response"], base["p0"]["usage"]["calls"]) == ("My own draft.", 0)
    assert generic["p0"]["response"] == "My own draft. It is delta."


def test_a_draft_left_alone_has_the_grade_of_the_draft_and_costs_no_other(tmp_path, context):
    satisfied = PartModel(lambda case, job: '{"problems": []}' if job == "problems" and case == 0 else None)
    with FakeServer(satisfied) as server:
        ablation = an_ablation(data_file(tmp_path, data_rows(3)), tmp_path / "out", context, server, arms="generic")
        run(ablation)
    assert satisfied.jobs["grade"] == 3 + 2
    base, generic = graded_of(ablation, BASE)["p0"], graded_of(ablation, GENERIC)["p0"]
    assert (generic["verdicts"], generic["graded_as"], generic["usage"]["calls"]) == (base["verdicts"], "p0", 0)


@pytest.mark.parametrize("job", ["draft", "problems", "CRITIQUE", "grade"])
def test_a_row_that_fails_somewhere_is_one_error_and_is_left_out_everywhere(tmp_path, context, job):
    data = data_file(tmp_path, data_rows(4))
    broken = PartModel(lambda case, asked: Fault.http(400, "no") if (case, asked) == (1, job) else None)
    with FakeServer(broken) as server:
        ablation = an_ablation(data, tmp_path / "out", context, server, arms="generic,retrieved")
        progress = run(ablation)
        found = table(ablation)
    places = {"draft": ["base: answers"], "problems": ["generic: answers"], "CRITIQUE": ["retrieved: answers"],
              "grade": ["base: grades", "generic: grades", "retrieved: grades"]}  # fmt: skip
    assert progress.errors == dict.fromkeys(places[job], 1)
    assert (found.answers, found.asked) == (3, 4)
    assert {arm.overall.n for arm in found.arms} == {3}
    assert {arm.to_base.overall.n for arm in found.arms[1:]} == {3}
    with FakeServer(PartModel()) as server:
        mended = an_ablation(data, tmp_path / "out", context, server, arms="generic,retrieved")
        assert not run(mended, retry_errors=True).errors
        assert table(mended).answers == 4


def test_a_run_that_is_cut_off_anywhere_goes_on_and_pays_for_no_call_twice(tmp_path, context):
    data, folder = data_file(tmp_path, data_rows(3)), tmp_path / "out"
    bodies = []
    for _ in range(40):
        with FakeServer(model := PartModel()) as server:
            ablation = an_ablation(data, folder, context, server, arms="generic-2,retrieved")
            progress = run(ablation, bounds=replace(NO_BOUNDS, max_calls=3))
        bodies += model.bodies
        if not progress.stopped_because:
            break
    assert progress.stopped_because == ""
    whole = PartModel(bodies=bodies)
    assert whole.asked_twice == []
    assert [arm.spent.calls for arm in table(ablation).arms] == [1, 3, 6], "also those an earlier start has paid for"
    agent, generic = {"CRITIQUE": 3, "REVISE": 3, "JUDGE": 3}, {"problems": 6, "rewriting": 6, "choice": 6}
    assert whole.jobs == {"draft": 3, "grade": 9} | agent | generic


def test_bounds_hold_for_all_stages_together(tmp_path, context):
    with FakeServer(model := PartModel()) as server:
        ablation = an_ablation(data_file(tmp_path, data_rows(2)), tmp_path / "out", context, server, arms="generic")
        progress = run(ablation, bounds=replace(NO_BOUNDS, max_calls=4))
    assert progress.stopped_because == "limit reached: calls"
    assert progress.unfinished == "answers of generic"
    assert 4 <= len(model.bodies) <= 4 + 4


def test_samples_of_a_prompt_are_compared_as_one_prompt(tmp_path, context):
    with FakeServer(PartModel()) as server:
        ablation = an_ablation(
            data_file(tmp_path, data_rows(2)), tmp_path / "out", context, server, arms="generic", repeats=3
        )
        run(ablation)
    found = table(ablation)
    assert (found.answers, found.prompts, found.of(GENERIC).to_base.overall.n) == (6, 2, 2)


def test_more_rows_may_follow_and_fewer_be_looked_at(tmp_path, context):
    data, folder, asked = data_file(tmp_path, data_rows(4)), tmp_path / "out", []
    for limit in (2, 4, 3):
        with FakeServer(model := PartModel()) as server:
            ablation = an_ablation(data, folder, context, server, arms="generic", limit=limit)
            assert not run(ablation).stopped_because
        asked.append(model.jobs["draft"])
        assert table(ablation).answers == limit
    assert asked == [2, 2, 0]


def test_a_library_that_does_not_fit_is_refused_before_anything_is_paid(tmp_path, context):
    settings = SETTINGS.model_copy(update={"context_tokens": 16_000})
    with FakeServer(model := PartModel()) as server:
        ablation = an_ablation(
            data_file(tmp_path, data_rows(1)),
            tmp_path / "out",
            context,
            server,
            settings=settings,
            client={"window": window(16_000)},
        )
        with pytest.raises(ConfigError, match=r"119 principles don't fit into openai:fake.*takes 16,000.*--arms"):
            run(ablation)
    assert not model.bodies
    assert not (tmp_path / "out").exists()


def test_answers_that_were_graded_as_others_are_refused(tmp_path, context):
    with FakeServer(PartModel()) as server:
        ablation = an_ablation(data_file(tmp_path, data_rows(1)), tmp_path / "out", context, server, arms="generic")
        run(ablation)
    file = ablation.answers(GENERIC)
    file.write_text(file.read_text().replace("It is delta.", "It is another."))
    with pytest.raises(InputError, match=r"'p0' has another answer than the one that was graded.*--fresh"):
        table(ablation)
