"""What the review page shows in answer to a request: asks the store, and puts what it says into HTML. No gradio, no browser.

A refusal stands above what is stored; what was edited and is not stored stays in the browser.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from agent.errors import InputError
from agent.judge import Judge, checked_verdicts
from agent.ledger import Ledger
from principles_store.errors import ClinAlignError
from training.review.errors import StaleSheetError
from training.review.page_agreement import agreement_html
from training.review.page_conflict import conflict_html, merged_html
from training.review.page_dispute import dispute_html
from training.review.page_frame import ask_name, in_attribute, page, refusal
from training.review.page_lists import PAGE, all_done_html, disputes_html, history_html, list_html, progress_html
from training.review.page_messages import Asked, number_of, parse
from training.review.page_sheet import Kind, sheet_data, sheet_html
from training.review.scores import margin, score_rows
from training.review.sheet import STATES, Sheet, SheetCriterion, checked_name
from training.review.store import ReviewStore, Saved

_LOGGER = logging.getLogger(__name__)
_DONE = {"accept": "Accepted.", "reject": "Rejected.", "defer": "Put off; it comes last.", "reopen": "Open again."}


class ReviewAnswers:
    """Answers the page's requests."""

    def __init__(self, store: ReviewStore, judge: Judge | None) -> None:
        self._store, self._judge = store, judge

    def answer(self, message: Any, username: str | None) -> str:
        """Return the whole page, whatever the request; a login counts before the name that the page gives."""
        by = username or _said_by(message)
        try:
            asked = parse(message)
            if not by or (asked.view == "name" and not username):
                return ask_name(n=asked.n)
            judge_name = self._judge.name if self._judge is not None else ""
            return _Answer(self._store, asked, checked_name(by), username is not None, judge_name).page()
        except ClinAlignError as error:
            told = refusal(str(error))
        except Exception:  # the outer wall of the page: it must hear something, else it waits
            _LOGGER.exception("a request of the review page failed")
            told = refusal("the server failed at it, and its log says why. What you edited is kept in this tab")
        return page(told, n=number_of(message), view="failed", by=by, has_login=username is not None)

    def judged(self, message: Any, username: str | None) -> str:
        """Return the judge's verdicts on the criteria sent, as data for the page; stored once a reviewer saves them."""
        found: dict[str, Any] = {"n": number_of(message)}
        try:
            asked = parse(message)
            found |= {"record": asked.record, **self._verdicts(asked, username or asked.by)}
        except ClinAlignError as error:
            found["failed"] = f"The judge gave no verdicts: {error}."
        except Exception:  # as above
            _LOGGER.exception("the judge of the review page failed")
            found["failed"] = "The judge failed; the server's log says why."
        return f'<div data-judged="{in_attribute(found)}"></div>'

    def _verdicts(self, asked: Asked, by: str) -> dict[str, Any]:
        if self._judge is None:
            raise InputError("this page was started without a judge")
        record = self._store.sheet(asked.record, by).record
        rubric = [row.as_criterion() for row in asked.criteria]
        answers = [response.text for response in record.responses]
        verdicts = checked_verdicts(self._judge, record.conversation, answers, rubric, ledger=Ledger())
        by_criterion = zip(*verdicts, strict=True)
        rows = [
            {"key": row.key, "criterion": row.criterion, "verdicts": [verdict.value for verdict in given]}
            for row, given in zip(asked.criteria, by_criterion, strict=True)
        ]
        return {"judge": self._judge.name, "rows": rows}


@dataclass
class _Answer:
    """One request under way."""

    store: ReviewStore
    asked: Asked
    by: str
    has_login: bool
    judge_name: str
    """Empty: there is no judge."""
    told: str = ""

    def page(self) -> str:
        """Do what was asked for, and return the view that follows from it."""
        done = {"save": self._save, "decide": self._decide, "adjudicate": self._adjudicate}
        views = {
            "record": self._record,
            "name": self._record,
            "list": self._list,
            "disputes": self._disputes,
            "dispute": self._dispute,
            "agreement": self._agreement,
            "history": self._history,
        }
        return done.get(self.asked.action, views[self.asked.view])()

    def _show(self, content: str, view: str, **data: Any) -> str:
        return page(content, n=self.asked.n, view=view, by=self.by, has_login=self.has_login, told=self.told, **data)

    def _record(self) -> str:
        asked = self.asked
        record = asked.record or self.store.next_for(self.by, after=asked.after or None) or asked.after
        return self._sheet(self.store.sheet(record, self.by)) if record else self._all_done()

    def _all_done(self) -> str:
        progress = self.store.progress()
        return self._show(progress_html(progress, self.by) + all_done_html(progress), "record")

    def _sheet(self, sheet: Sheet, above: str = "", **data: Any) -> str:
        progress = progress_html(self.store.progress(), self.by)
        content = sheet_html(sheet, progress=progress, has_judge=bool(self.judge_name), above=above)
        return self._show(content, "record", sheet=_data(sheet, "sheet", self.by), **data)

    def _save(self) -> str:
        try:
            saved = self._saved()
        except StaleSheetError as error:
            return self._sheet(error.theirs, conflict_html(error), conflict=list(error.conflicts))
        except InputError as error:
            return self._sheet(self.store.sheet(self.asked.record, self.by), refusal(str(error)))
        self.told = "Saved."
        return self._sheet(saved.sheet, merged_html(saved.merged))

    def _saved(self) -> Saved:
        asked = self.asked
        criteria = self._rows(self.store.sheet(asked.record, self.by))
        return self.store.save(
            asked.record, self.by, base_version=asked.version, criteria=criteria, comment=asked.comment
        )

    def _rows(self, *sheets: Sheet) -> list[SheetCriterion]:
        """Return the rows sent; a verdict in a name that is on none of the sheets, nor the judge's, is one's own."""
        known = {
            "",
            self.by,
            self.judge_name,
            *(name for one in sheets for row in one.criteria for name in row.judged_by),
        }
        return [
            replace(row, judged_by=tuple(name if name in known else self.by for name in row.judged_by))
            for row in self.asked.rows
        ]

    def _decide(self) -> str:
        """Save what stands in the table, then decide; after a decision comes the next record."""
        asked, decision = self.asked, self.asked.decision
        if decision is None:
            raise InputError("a decision is one of accept, reject, defer, reopen")
        above = ""
        try:
            base = self.store.sheet(asked.record, self.by)
            if decision != "reopen":
                saved = self._saved()
                base, above = saved.sheet, merged_html(saved.merged)
            if above:  # nobody decides on what they have not seen
                self.told = "Saved, but not decided: look at what was merged in, then decide."
                return self._sheet(base, above)
            sheet = self.store.decide(asked.record, self.by, base_version=base.version, decision=decision)
        except StaleSheetError as error:
            return self._sheet(error.theirs, conflict_html(error), conflict=list(error.conflicts))
        except InputError as error:
            return self._sheet(self.store.sheet(asked.record, self.by), refusal(str(error)))
        self.told = _DONE[decision]
        return self._sheet(sheet) if decision == "reopen" else self._after(sheet)

    def _after(self, sheet: Sheet) -> str:
        record = self.store.next_for(self.by, after=sheet.record.id)
        if record:
            return self._sheet(self.store.sheet(record, self.by))
        return self._sheet(sheet) if sheet.state == "deferred" else self._all_done()

    def _adjudicate(self) -> str:
        asked = self.asked
        decision = asked.decision
        try:
            dispute = self.store.dispute(asked.record)
            saved = self.store.adjudicate(
                asked.record,
                self.by,
                base_version=asked.version,
                criteria=self._rows(dispute.sheet, *dispute.sheets),
                decision=cast(Any, decision),  # the store says which of the four it takes
                comment=asked.comment,
            )
        except StaleSheetError as error:
            return self._dispute(conflict_html(error), conflict=list(error.conflicts))
        except InputError as error:
            return self._dispute(refusal(str(error)))
        self.told = f"{_DONE[decision]} The record is final." if decision else "Saved."
        return self._disputes() if decision else self._dispute(merged_html(saved.merged))

    def _dispute(self, above: str = "", **data: Any) -> str:
        dispute = self.store.dispute(self.asked.record)
        content = dispute_html(dispute, has_judge=bool(self.judge_name), above=above)
        return self._show(content, "dispute", sheet=_data(dispute.sheet, "dispute", self.by), **data)

    def _list(self) -> str:
        asked = self.asked
        state = next((state for state in STATES if state == asked.state), None)
        listing = self.store.listing(self.by, state=state, words=asked.words, offset=asked.offset, limit=PAGE)
        shown = list_html(listing, words=asked.words, state=asked.state, offset=asked.offset)
        return self._show(progress_html(self.store.progress(), self.by) + shown, "list")

    def _disputes(self) -> str:
        return self._show(disputes_html(self.store.disputes()), "disputes")

    def _agreement(self) -> str:
        return self._show(agreement_html(self.store.agreement(), self.store.progress()), "agreement")

    def _history(self) -> str:
        record = self.asked.record
        return self._show(history_html(record, self.store.history(record, viewer=self.by)), "history")


def _data(sheet: Sheet, kind: Kind, by: str) -> dict[str, Any]:
    return sheet_data(sheet, score_rows(sheet.criteria), margin(sheet.record, sheet.criteria), kind, by)


def _said_by(message: Any) -> str:
    name = message.get("by") if isinstance(message, Mapping) else None
    return name.strip()[:100] if isinstance(name, str) else ""
