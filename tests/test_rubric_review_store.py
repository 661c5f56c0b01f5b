"""The review store on SQLite and on PostgreSQL: sheets, decisions, what others may see, and every change kept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from review_records import added, changed, record, without
from review_store import decide, postgres_url_fixture, save, store_fixture  # noqa: F401

from agent.errors import ConfigError, InputError
from training.review.errors import StaleSheetError
from training.review.store import ReviewStore


def test_a_known_record_is_never_overwritten(store: ReviewStore) -> None:
    done = store.add([record("cough"), record("cold", theme="other"), record("new")])
    assert (done.new, done.known, done.changed) == (1, 1, ("cold",))
    assert store.sheet("cold", "ann").record.theme == ""


def test_what_is_saved_is_read_again_by_its_reviewer_only(store: ReviewStore) -> None:
    sheet = store.sheet("cough", "ann")
    saved = save(store, sheet, changed(sheet, "d1", points=9), "graver")
    assert store.sheet("cough", "ann") == saved
    assert store.sheet("cough", "bob").criteria == sheet.criteria


def test_a_stale_save_is_merged_and_says_what_it_took_over(store: ReviewStore) -> None:
    sheet = store.sheet("cough", "ann")
    save(store, sheet, changed(sheet, "d1", points=9))
    saved = store.save("cough", "ann", base_version=0, criteria=added(sheet), comment="")
    assert [item.points for item in saved.sheet.criteria] == [9, 5, 4, 6, 3, -7, -5, 2]
    assert len(saved.merged) == 1


def test_a_stale_save_that_conflicts_is_refused_with_all_three_versions(store: ReviewStore) -> None:
    sheet = store.sheet("cough", "ann")
    theirs = save(store, sheet, changed(sheet, "d1", points=9))
    with pytest.raises(StaleSheetError, match="both changed the points") as refused:
        save(store, sheet, changed(sheet, "d1", points=2))
    assert store.sheet("cough", "ann") == theirs
    points = [side.criteria[0].points for side in (refused.value.base, refused.value.theirs, refused.value.mine)]
    assert points == [8, 9, 2]


def test_the_same_save_sent_twice_is_one_version(store: ReviewStore) -> None:
    sheet = store.sheet("cough", "ann")
    for _ in range(2):
        saved = save(store, sheet, added(sheet))
    assert saved.version == 1
    assert len(saved.criteria) == 8


def test_a_decision_on_another_version_than_was_seen_is_refused(store: ReviewStore) -> None:
    sheet = store.sheet("cough", "ann")
    save(store, sheet, changed(sheet, "d1", points=9))
    with pytest.raises(StaleSheetError, match="about to accept"):
        store.decide("cough", "ann", base_version=0, decision="accept")
    assert store.sheet("cough", "ann").state == "open"


def test_a_rubric_that_contradicts_itself_can_t_be_accepted(store: ReviewStore) -> None:
    sheet = store.sheet("cough", "ann")
    saved = save(store, sheet, added(sheet, "States that an ordinary cough lasts about nine weeks.", -4))
    save(store, saved, added(saved, "Asks how long fever has lasted.", -4))
    with pytest.raises(InputError, match="can't be accepted as it stands: criteria 5 and 9 say the same"):
        decide(store, "cough", ("ann", "accept"))


def test_a_rubric_with_too_few_criteria_can_be_rejected_but_not_accepted(store: ReviewStore) -> None:
    sheet = store.sheet("cough", "ann")
    save(store, sheet, sheet.criteria[:2])
    with pytest.raises(InputError, match="give 7 to 15"):
        decide(store, "cough", ("ann", "accept"))
    decide(store, "cough", ("ann", "reject"))


def test_what_is_decided_is_changed_only_after_it_is_reopened(store: ReviewStore) -> None:
    decide(store, "cough", ("ann", "accept"))
    sheet = store.sheet("cough", "ann")
    with pytest.raises(InputError, match="reopen it"):
        save(store, sheet, without(sheet, "d3"))
    decide(store, "cough", ("ann", "reopen"))
    assert store.listed("cough", "ann").decided == 0


def test_reviewers_who_agree_make_a_record_final(store: ReviewStore) -> None:
    sheet = store.sheet("cough", "ann")
    save(store, sheet, changed(sheet, "d1", points=9))
    decide(store, "cough", ("ann", "accept"), ("bob", "accept"))
    final = store.final("cough")
    assert (final.status, final.reviewers, len(final.refined)) == ("accepted", ("ann", "bob"), 7)
    assert final.refined[0].points == 9  # 8.5, away from 0


@pytest.mark.parametrize("decisions", [("accept", "reject"), ("accept", "accept")])
def test_reviewers_who_differ_make_a_dispute(store: ReviewStore, decisions: tuple[str, str]) -> None:
    sheet = store.sheet("cough", "ann")
    save(store, sheet, (*without(sheet, "d3"), *added(sheet)[-1:]))
    decide(store, "cough", *zip(("ann", "bob"), decisions, strict=True))
    assert store.disputes() == ["cough"]
    assert store.dispute("cough").differences[0].what == ("decision" if "reject" in decisions else "kept")
    assert store.final("cough").status == "drafted"


def test_others_sheets_and_changes_are_hidden_until_enough_have_decided(store: ReviewStore) -> None:
    decide(store, "cough", ("ann", "reject"))
    assert store.history("cough", viewer="bob") == []
    with pytest.raises(InputError, match="hidden until then"):
        store.dispute("cough")
    decide(store, "cough", ("bob", "accept"))
    assert [change.reviewer for change in store.history("cough", viewer="bob")] == ["ann", "bob"]


def test_nobody_goes_back_on_a_decision_after_seeing_the_others(store: ReviewStore) -> None:
    decide(store, "cough", ("ann", "reject"), ("bob", "accept"))
    with pytest.raises(InputError, match="only an adjudicator"):
        decide(store, "cough", ("ann", "reopen"))
    with pytest.raises(InputError, match="enough others have decided"):
        decide(store, "cough", ("cy", "accept"))


def test_an_adjudicator_who_is_no_party_settles_a_dispute(store: ReviewStore) -> None:
    decide(store, "cough", ("ann", "reject"), ("bob", "accept"))
    sheet = store.dispute("cough").sheet
    given = {"base_version": 0, "criteria": changed(sheet, "d3", points=1), "decision": "accept"}
    with pytest.raises(InputError, match="somebody else has to adjudicate"):
        store.adjudicate("cough", "bob", **given)  # type: ignore[arg-type]
    store.adjudicate("cough", "cy", **given)  # type: ignore[arg-type]
    final = store.final("cough")
    assert (final.status, final.reviewers, final.refined[2].points) == ("accepted", ("ann", "bob", "cy"), 1)
    assert store.disputes() == []


def test_adjudicators_on_one_sheet_are_merged(store: ReviewStore) -> None:
    decide(store, "cough", ("ann", "reject"), ("bob", "accept"))
    sheet = store.dispute("cough").sheet
    store.adjudicate("cough", "cy", base_version=0, criteria=changed(sheet, "d1", points=9))
    saved = store.adjudicate("cough", "di", base_version=0, criteria=changed(sheet, "d2", points=6), decision="accept")
    assert [item.points for item in store.final("cough").refined[:2]] == [9, 6]
    assert saved.merged


def test_every_change_is_kept_with_what_was_before(store: ReviewStore) -> None:
    sheet = store.sheet("cough", "ann")
    saved = save(store, sheet, changed(sheet, "d1", points=9))
    save(store, saved, changed(saved, "d1", points=10), "why")
    decide(store, "cough", ("ann", "accept"))
    changes = store.history("cough")
    assert [change.kind for change in changes] == ["edited", "edited", "accepted"]
    assert [(c.before.criteria[0].points, c.after.criteria[0].points) for c in changes] == [(8, 9), (9, 10), (10, 10)]
    assert [change.after.comment for change in changes] == ["", "why", "why"]


def test_an_unknown_record_is_told_with_those_it_is_like(store: ReviewStore) -> None:
    with pytest.raises(InputError, match="did you mean 'cough'"):
        store.sheet("couhg", "ann")


def test_a_failure_in_the_middle_of_adding_adds_nothing(store: ReviewStore) -> None:
    def records() -> Iterator:
        yield record("one more")
        raise InputError("line 2 is broken")

    with pytest.raises(InputError, match="line 2"):
        store.add(records())
    assert store.progress().records == 3


def test_a_later_form_is_refused(store: ReviewStore) -> None:
    with store.database.writing() as connection:
        connection.exec_driver_sql("UPDATE rubric_form SET form = 9")
    try:
        with pytest.raises(ConfigError, match="form 9"):
            ReviewStore(store.database.url.render_as_string(hide_password=False))
    finally:
        with store.database.writing() as connection:
            connection.exec_driver_sql("UPDATE rubric_form SET form = 2")
