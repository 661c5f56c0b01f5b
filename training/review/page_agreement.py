"""How far the reviewers agree, and who has done how much."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from agent.page.wording import counted
from training.review.agreement import Agreement, PairAgreement
from training.review.alpha import Alpha
from training.review.listing import Progress

_NONE = "–"
_ABOUT = (
    "Of the records that enough reviewers have decided, each blind to the others. α: 1 is full agreement, 0 what chance "
    "would give; none where there is nothing to compare, or everybody always said the same. All begin from the same draft, and "
    "what nobody touches counts as agreement."
)


def agreement_html(agreement: Agreement, progress: Progress) -> str:
    """Return the page of agreement and progress."""
    measured = {
        "Accept or reject": agreement.decision,
        "Drafted criteria kept": agreement.kept,
        "Points of those kept": agreement.points,
        "Verdicts, where the reviewers gave them": agreement.verdicts,
    }
    kept = (
        ""
        if agreement.as_drafted is None
        else f" {agreement.as_drafted:.0%} of the drafted criteria were left as they were."
    )
    alphas = _table(
        "Krippendorff's α, over all reviewers",
        ("", "α", "95 % interval", "Compared"),
        ((name, *_alpha(alpha)) for name, alpha in measured.items()),
    )
    pairs = _table(
        "Cohen's κ, each two",
        ("Reviewers", "κ of decisions", "Same decision", "Records", "κ of criteria kept", "Criteria"),
        (_pair(pair) for pair in agreement.pairs),
    )
    return (
        f'<h2 tabindex="-1">Agreement</h2><p class="count">{counted(agreement.records, "record")} compared.{kept}</p>'
        f'<p class="quiet">{_ABOUT}</p>{alphas}{pairs if agreement.pairs else ""}{_reviewers(progress)}'
    )


def _alpha(alpha: Alpha) -> tuple[str, ...]:
    low, high = alpha.low, alpha.high
    interval = _NONE if low is None or high is None else f"{_number(low)} to {_number(high)}"
    return _number(alpha.value), interval, f"{alpha.units:,}"


def _pair(pair: PairAgreement) -> tuple[str, ...]:
    alike = f"{pair.decisions_alike:.0%}"
    numbers = (_number(pair.decision_kappa), alike, f"{pair.records:,}", _number(pair.kept_kappa), f"{pair.criteria:,}")
    return (f"{pair.first}, {pair.second}", *numbers)


def _reviewers(progress: Progress) -> str:
    rows = (
        (name, *(f"{count:,}" for count in (own.accepted, own.rejected, own.deferred, own.open)))
        for name, own in sorted(progress.reviewers.items())
    )
    return _table("Who has done how much", ("Reviewer", "Accepted", "Rejected", "Put off", "Begun"), rows)


def _table(caption: str, heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    columns = "".join(f'<th scope="col">{name}</th>' if name else "<td></td>" for name in heads)
    return (
        f'<div class="scrolled" role="region" tabindex="0" aria-label="{escape(caption)}"><table class="numbers"><caption>{caption}'
        f"</caption><thead><tr>{columns}</tr></thead><tbody>{''.join(_row(*row) for row in rows)}</tbody></table></div>"
    )


def _row(name: str, *cells: str) -> str:
    return f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:.2f}".replace("-", "−")
