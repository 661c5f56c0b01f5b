"""What the review page answers, without a browser; and the browser's arithmetic, against the server's."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from browser import browser_fixture  # noqa: F401
from review_site import WordJudge
from review_tab_records import CHEST, RECORDS

from agent.errors import JudgeError
from training.review.page_answers import ReviewAnswers
from training.review.page_assets import STYLE_ELEMENT
from training.review.page_frame import AXES
from training.review.scores import margin, score_rows
from training.review.sheet import Sheet, first_sheet
from training.review.store import ReviewStore

MODEL = (Path(__file__).parent.parent / "training" / "review" / "review_model.js").read_text(encoding="utf-8")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ReviewStore]:
    with closing(ReviewStore(f"sqlite:///{tmp_path / 'review.sqlite'}")) as store:
        store.add(RECORDS)
        yield store


def ask(store: ReviewStore, *, username: str | None = None, **message: Any) -> str:
    return ReviewAnswers(store, None).answer({"n": 3, "by": "Ann", "action": "view", **message}, username)


def carried(html: str, name: str) -> Any:
    found = re.search(rf'data-{name}="([^"]*)"', html)
    return json.loads(unescape(found[1])) if found else None


def sheet_message(sheet: Sheet, **more: Any) -> dict[str, Any]:
    rows = [asdict(row) for row in sheet.criteria]
    return {"action": "save", "record": sheet.record.id, "version": sheet.version, "criteria": rows, **more}


def test_nobody_reviews_without_a_name_and_a_login_is_the_name(store: ReviewStore) -> None:
    assert "Your name" in ask(store, by=" ")
    shown = ask(store, by="Somebody else", username="ben")
    assert carried(shown, "sheet")["reviewer"] == "ben"
    assert "Change" not in shown


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"points": 0}, "criterion 1, points: points must not be 0"),
        ({"points": 11}, "criterion 1, points"),
        ({"axis": "style"}, "criterion 1, axis"),
        ({"tags": ["unheard-of"]}, "unknown tag"),
        ({"verdicts": ["perhaps", "met"]}, "criterion 1, verdicts"),
        ({"key": "<b>"}, "criterion 1, key"),
        ({"more": 1}, "criterion 1, more"),
    ],
)
def test_a_row_that_cannot_be_is_refused_by_its_name_and_nothing_is_stored(
    store: ReviewStore, fault: dict[str, Any], told: str
) -> None:
    message = sheet_message(store.sheet(CHEST.id, "Ann"))
    message["criteria"][0] |= fault
    html = unescape(ask(store, **message))
    assert "This was not done" in html
    assert told in html
    assert store.sheet(CHEST.id, "Ann").version == 0


def test_a_verdict_can_be_sent_in_nobody_elses_name(store: ReviewStore) -> None:
    message = sheet_message(store.sheet(CHEST.id, "Ann"))
    message["criteria"][0] |= {"verdicts": ["unmet", "unmet"], "judged_by": ["Ben", "draft"]}
    ask(store, **message)
    first, second, *_ = store.sheet(CHEST.id, "Ann").criteria
    assert (first.judged_by, second.judged_by) == (("Ann", "draft"), ("draft", "draft"))


def test_a_rubric_without_responses_is_reviewed_without_scores(store: ReviewStore) -> None:
    rows = [row.model_copy(update={"verdicts": ()}) for row in CHEST.draft]
    store.add([CHEST.model_copy(update={"id": "bare", "responses": (), "preferred": None, "draft": tuple(rows)})])
    html = ask(store, record="bare")
    assert (carried(html, "sheet")["responses"], carried(html, "sheet")["margin"]) == (0, None)
    assert "data-score" not in html
    assert "Accept" in html


@pytest.mark.parametrize("message", [None, 1, [], {"n": -1}, {"action": "delete"}, {"view": "x" * 9}, {"record": "no"}])
def test_any_request_has_an_answer_that_tells(store: ReviewStore, message: Any) -> None:
    whole = {"n": 3, "by": "Ann", "action": "view", **message} if isinstance(message, dict) else message
    assert "This was not done" in ReviewAnswers(store, None).answer(whole, None)


def test_a_fault_of_the_server_is_told_without_its_words(store: ReviewStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret of the database")

    monkeypatch.setattr(store, "next_for", broken)
    html = ask(store)
    assert 'data-n="3"' in html
    assert "the server failed" in html
    assert "secret" not in html


def test_nobody_decides_on_what_was_merged_in_unseen(store: ReviewStore) -> None:
    first = store.sheet(CHEST.id, "Ann")
    other = [replace(row, points=row.points + (row.key == "d4")) for row in first.criteria]
    store.save(CHEST.id, "Ann", base_version=0, criteria=other, comment="")
    mine = [replace(row, points=row.points - (row.key == "d1")) for row in first.criteria]
    html = ask(store, **sheet_message(replace(first, criteria=tuple(mine)), action="decide", decision="accept"))
    assert "not decided" in html
    after = store.sheet(CHEST.id, "Ann")
    assert (after.state, after.criteria[0].points, after.criteria[3].points) == ("open", 9, 6)


def test_a_judge_that_fails_gives_no_verdict(store: ReviewStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise JudgeError("the judge is away")

    judge = WordJudge()
    monkeypatch.setattr(judge, "judge", away)
    message = {**sheet_message(store.sheet(CHEST.id, "Ann")), "n": 1, "by": "Ann", "action": "judge"}
    told = carried(ReviewAnswers(store, judge).judged(message, None), "judged")
    assert "the judge is away" in told["failed"]
    assert "rows" not in told


def test_the_style_sheet_fetches_nothing_and_every_axis_has_a_name() -> None:
    assert "url(" not in STYLE_ELEMENT
    assert "@import" not in STYLE_ELEMENT
    assert set(AXES) >= {row.axis for record in RECORDS for row in record.draft}


def random_sheets(count: int) -> list[Sheet]:
    """Return sheets with any points and verdicts, also without a criterion to earn points by."""
    drawn, first = random.Random(5), first_sheet(CHEST, "Ann")
    weights = [points for points in range(-10, 11) if points]
    return [
        replace(
            first,
            criteria=tuple(
                replace(
                    row, points=drawn.choice(weights), verdicts=tuple(drawn.choices(["met", "unmet", "unknown"], k=2))
                )
                for row in drawn.sample(first.criteria, drawn.randint(0, 7))
            ),
        )
        for _ in range(count)
    ]


@pytest.mark.browser
def test_the_browser_scores_as_the_server_does(browser: Any) -> None:
    sheets = random_sheets(300)
    page = browser.new_page()
    told = page.evaluate(
        f"""sheets => {{ {MODEL}; return sheets.map((rows) => {{
          const scores = [score(rows, 0), score(rows, 1)]; return [scores, margin(scores, 0)] }}) }}""",
        [[asdict(row) for row in sheet.criteria] for sheet in sheets],
    )
    page.close()
    for sheet, (scores, ahead) in zip(sheets, told, strict=True):
        expected = score_rows(sheet.criteria) or [None, None]
        for mine, theirs in zip(scores, expected, strict=True):
            assert (mine is None) == (theirs is None)
            assert mine is None or (mine["low"], mine["high"]) == pytest.approx((theirs["low"], theirs["high"]))
        wanted = margin(CHEST, sheet.criteria)
        assert (ahead and (ahead["low"], ahead["high"])) == (wanted and pytest.approx(wanted))
