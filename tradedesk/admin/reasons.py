from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse

from strategy.gate import CLOSING, OPENING, Rule
from tradedesk import wiring
from tradedesk.admin import frame
from tradedesk.admin.alert_lines import lines_of, with_decisions
from tradedesk.admin.faults import FAULTS, Fault
from tradedesk.admin.outcomes import Look, outcome_of_reason
from tradedesk.admin.tally import tally
from tradedesk.models import REMEDIES, Alert, Decision, Reason

LATEST = 10
COUNTED = timedelta(days=7)
RULES = {rule.code: rule for rule in (*CLOSING, *OPENING)}


@dataclass(frozen=True)
class Line:
    """A reason as the list shows it, and how many decisions of the last week it explains."""

    reason: Reason
    look: Look
    count: int


def index(request: HttpRequest) -> HttpResponse:
    """Show every reason by whose it is, with how often it was the one in the last seven days."""
    _check(request)
    counts = _counts()
    groups = [
        (fault, [Line(reason, outcome_of_reason(reason).value, counts[reason]) for reason in reasons])
        for fault, reasons in _by_fault().items()
    ]
    return frame.show(request, "reasons", "Reasons", {"groups": groups})


def page(request: HttpRequest, code: str) -> HttpResponse:
    """Show what a reason means, whose it is, what to do about it, and the alerts that it explains."""
    _check(request)
    if code not in Reason.values:
        raise Http404("There is no such reason.")
    reason = Reason(code)
    newest = Decision.objects.filter(reason=reason).order_by("-id").values_list("alert", flat=True)[:LATEST]
    alerts = with_decisions(Alert.objects.filter(pk__in=list(newest))).select_related("strategy")
    return frame.show(
        request,
        "reason",
        f"Reason {reason.value}",
        {
            "reason": reason,
            "look": outcome_of_reason(reason).value,
            "fault": FAULTS[reason],
            "remedy_text": REMEDIES[reason],
            "rules": _rules(reason),
            "count": _counts()[reason],
            "lines": lines_of(alerts.order_by("-id")),
        },
    )


def _check(request: HttpRequest) -> None:
    if not request.user.has_perm("tradedesk.view_alert"):
        raise PermissionDenied


def _counts() -> Counter[str]:
    now = wiring.desk().now()
    found: Counter[str] = Counter()
    for (_, reason), count in tally(now - COUNTED, now + timedelta(days=1)).counts.items():
        found[reason] += count
    return found


def _by_fault() -> dict[Fault, list[Reason]]:
    return {fault: [reason for reason in Reason if FAULTS[reason] is fault] for fault in Fault}


def _rules(reason: Reason) -> Sequence[tuple[str, Rule]]:
    """Return the rules of the gate with this code, each with the orders that it stands before."""
    found = [("an order that opens", OPENING), ("an order toward flat", CLOSING)]
    return [(orders, rule) for orders, rules in found for rule in rules if rule.code == reason]
