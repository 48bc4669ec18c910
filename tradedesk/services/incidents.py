from datetime import datetime
from typing import Any

from django.db import transaction

from tradedesk.models import Account, Bot, Incident, IncidentKind, NoticeKind
from tradedesk.services.reports.notices import tell

# What each kind stops, and what a person does about it.
TEXTS: dict[IncidentKind, tuple[str, str]] = {
    IncidentKind.POSITION_MISMATCH: (
        "Openings of this bot",
        "Look at the account at the broker. Adopt the broker's position here, or trade it back there.",
    ),
    IncidentKind.UNHELD_TARGET: (
        "",
        "The position stays until the next event or a flatten. Flatten it if you do not want to hold it.",
    ),
    IncidentKind.ORDER_UNCONFIRMED: (
        "Openings of this bot",
        "Run recover. If it stays open, compare with the order list of the broker.",
    ),
    IncidentKind.AMBIGUOUS_EVENTS: (
        "Openings of this bot",
        "Look at the two alerts in TradingView, remove the wrong one, and resolve this incident.",
    ),
    IncidentKind.ACCOUNT_CHANGED: (
        "Everything of this account",
        "Look at the account at the broker. If the change is meant, sign the account off anew on its page.",
    ),
    IncidentKind.FOREIGN_ORDER: (
        "Openings of this account",
        "Cancel the order at the broker if it is not yours.",
    ),
    IncidentKind.FOREIGN_POSITION: (
        "Openings of this account",
        "Close the position at the broker, or flatten the account here.",
    ),
    IncidentKind.HEARTBEAT_MISSED: (
        "Openings of this bot",
        "Look at the alerts in TradingView: one may have ended or stopped. The next heartbeat closes this.",
    ),
    IncidentKind.STOP_MISSING: (
        "",
        "Look at the bot's orders at the broker. The desk puts the stop back once, then closes the position.",
    ),
    IncidentKind.LEG_NOT_CANCELLED: (
        "",
        "Cancel it at the broker: a closing that waits for that goes by itself then. Or flatten the bot, "
        "which closes first. The desk keeps trying.",
    ),
    IncidentKind.ROLL_DUE: (
        "",
        "Roll it here, or flatten the bot. Nothing opens beside it; from its last date the desk closes it.",
    ),
    IncidentKind.ROLL_HALF_DONE: (
        "",
        "The bot is flat and rests until the next colour change; nothing is sent for the roll any more. "
        "Its next position closes this, or resolve it.",
    ),
    IncidentKind.STATEMENT_DIFFERS: (
        "Openings of this account",
        "Compare the day with the broker's own statement. Resolving this accepts the difference.",
    ),
    IncidentKind.OVERFILLED: (
        "Everything of this account",
        "Compare the order with the broker's list and resolve this; then adopt the broker's position.",
    ),
    IncidentKind.RUNAWAY_ORDER: (
        "Everything of this account",
        "Find out which program sent it: a second desk on this account, or one whose database was lost.",
    ),
    IncidentKind.VERSION_MISMATCH: (
        "Openings of this account",
        "Restart every process from one version with one set of settings: then this closes by itself.",
    ),
    IncidentKind.NOT_FLAT: (
        "",
        "Close the position at the broker now, or flatten the account here. The desk keeps trying.",
    ),
}


def open_incident(
    kind: IncidentKind,
    *,
    account: Account,
    bot: Bot | None,
    subject: str,
    seen: dict[str, Any],
    now: datetime,
) -> Incident:
    """Return the open incident of this kind and subject, made now or brought up to date."""
    blocks, remedy = TEXTS[kind]
    with transaction.atomic():
        incident, created = Incident.objects.get_or_create(
            kind=kind,
            subject=subject,
            closed_at=None,
            defaults={
                "account": account,
                "bot": bot,
                "seen": seen,
                "blocks": blocks,
                "remedy": remedy,
                "opened_at": now,
                "updated_at": now,
            },
        )
        if created:
            stops = f"It stops: {blocks.lower()}.\n" if blocks else ""
            figures = ", ".join(f"{name} {value}" for name, value in seen.items())
            tell(NoticeKind.INCIDENT, incident.id, str(incident), f"{figures}\n{stops}{remedy}", now)
        elif incident.seen != seen:
            incident.seen, incident.updated_at = seen, now
            incident.save(update_fields=["seen", "updated_at"])
    return incident


def close(incident: Incident, *, now: datetime, reason: str, by: str = "desk") -> None:
    """Close an incident that is open; a closed one stays as it is."""
    with transaction.atomic():
        was_open = Incident.objects.filter(pk=incident.pk, closed_at=None).update(
            closed_at=now, updated_at=now, closed_by=by, closing_reason=reason
        )
        if was_open:
            tell(NoticeKind.INCIDENT_CLOSED, incident.id, f"Over: {incident}", f"{reason} ({by})", now)


def close_by_subject(kind: IncidentKind, subject: str, *, now: datetime, reason: str) -> None:
    """Close the open incident of a kind about a subject, if there is one."""
    for incident in Incident.objects.filter(kind=kind, subject=subject, closed_at=None):
        close(incident, now=now, reason=reason)
