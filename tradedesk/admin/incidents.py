from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from broker.base import BrokerError
from tradedesk import wiring
from tradedesk.admin import cells, words
from tradedesk.admin.base import ReadOnly
from tradedesk.admin.filters import BotFilter, OpenFilter
from tradedesk.admin.incident_kinds import MEANINGS
from tradedesk.admin.outcomes import Look
from tradedesk.models import Incident, IncidentKind
from tradedesk.services.alerts.callers import address_of
from tradedesk.services.contracts.rolling import CannotRoll, roll
from tradedesk.services.reconciling.resolving import CannotAdopt, resolve
from tradedesk.stores.positions import Busy

MAY_RESOLVE = "tradedesk.change_incident"
MAKES_LOST = (IncidentKind.ORDER_UNCONFIRMED, IncidentKind.OVERFILLED)


class ResolveForm(forms.Form):
    reason = forms.CharField(max_length=500)


@admin.register(Incident)
class IncidentAdmin(ReadOnly[Incident]):
    when_empty = (
        "The desk opens one where it found something that a person must look at. There is nothing to do."
    )
    list_display = ("opened_utc", "what", "subject", "blocks", "state", "closed_by")
    list_filter = (OpenFilter, "kind", BotFilter)
    sortable_by = ()
    ordering = ("-id",)
    fields = (
        "id",
        "kind",
        "account",
        "bot",
        "subject",
        "opened_both",
        "updated_both",
        "closed_both",
        "closed_by",
        "closing_reason",
    )
    summary_template = "panel/incident.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Incident]:
        return super().get_queryset(request).select_related("account", "bot")

    def get_urls(self) -> list[URLPattern]:
        resolving = path(
            "<uuid:incident_id>/resolve/",
            self.admin_site.admin_view(self.resolve_view),
            name="tradedesk_incident_resolve",
        )
        rolling = path(
            "<uuid:incident_id>/roll/",
            self.admin_site.admin_view(self.roll_view),
            name="tradedesk_incident_roll",
        )
        return [resolving, rolling, *super().get_urls()]

    def summary(self, request: HttpRequest, row: Incident) -> dict[str, Any]:
        return {
            "incident": row,
            "seen": [(name.replace("_", " "), _figure(value)) for name, value in row.seen.items()],
            "meaning": MEANINGS[IncidentKind(row.kind)],
            "broker_holds": _holding(row),
            "makes_lost": row.kind in MAKES_LOST,
            "can_adopt": row.kind == IncidentKind.POSITION_MISMATCH and row.bot is not None,
            "can_roll": row.kind == IncidentKind.ROLL_DUE,
            "may_resolve": row.closed_at is None and request.user.has_perm(MAY_RESOLVE),
        }

    def resolve_view(self, request: HttpRequest, incident_id: UUID) -> HttpResponse:
        """Close an incident by a person's word; with `adopt`, after booking what the broker has."""
        return _answer(request, incident_id, _resolve)

    def roll_view(self, request: HttpRequest, incident_id: UUID) -> HttpResponse:
        """Roll the position that an incident is about, by a person's word."""
        return _answer(request, incident_id, _roll)

    @admin.display(description="Opened (UTC)")
    def opened_utc(self, incident: Incident) -> SafeString:
        return cells.moment(incident.opened_at)

    @admin.display(description="What")
    def what(self, incident: Incident) -> str:
        return incident.get_kind_display()

    @admin.display(description="State")
    def state(self, incident: Incident) -> SafeString:
        if incident.closed_at is not None:
            return cells.look_chip(Look("Closed", "●", "good"))
        if incident.blocks:
            return cells.look_chip(Look("Open, stops", "◆", "bad"))
        return cells.look_chip(Look("Open", "▲", "warn"))

    @admin.display(description="Opened")
    def opened_both(self, incident: Incident) -> str:
        return words.both_zones(incident.opened_at)

    @admin.display(description="Last looked at")
    def updated_both(self, incident: Incident) -> str:
        return words.both_zones(incident.updated_at)

    @admin.display(description="Closed")
    def closed_both(self, incident: Incident) -> str:
        return words.both_zones(incident.closed_at)


def _figure(value: Any) -> Any:
    return words.signed(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _holding(incident: Incident) -> str:
    """Return what the broker held when the incident was last looked at, in words."""
    quantity = incident.seen.get("broker")
    if not isinstance(quantity, int):
        return ""
    return f"{words.signed(quantity)} {incident.seen.get('contract') or ''}".strip()


def _answer(
    request: HttpRequest, incident_id: UUID, act: Callable[[HttpRequest, Incident, str], tuple[int, str]]
) -> HttpResponse:
    """Do what a person asks about an incident, tell how it went, and go back to its page."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not request.user.has_perm(MAY_RESOLVE):
        raise PermissionDenied
    incident = get_object_or_404(Incident.objects.select_related("account", "bot__account"), pk=incident_id)
    form = ResolveForm(request.POST)
    if not form.is_valid():
        sentence = "Nothing was done: write down the reason, in 500 characters at most."
        messages.error(request, sentence)
    else:
        level, sentence = act(request, incident, form.cleaned_data["reason"])
        messages.add_message(request, level, sentence)
    return HttpResponseRedirect(cells.url_of(incident))


def _resolve(request: HttpRequest, incident: Incident, reason: str) -> tuple[int, str]:
    if incident.closed_at is not None:
        return messages.WARNING, "The incident was closed before."
    adopt = "adopt" in request.POST
    try:
        resolve(
            wiring.desk(),
            incident,
            adopt=adopt,
            reason=reason,
            by=request.user.get_username(),
            source_address=address_of(request),
        )
    except CannotAdopt:
        return messages.ERROR, "Nothing was done: there is no position to adopt in an incident of this kind."
    except BrokerError as error:
        return messages.ERROR, f"Nothing was done: the broker's position could not be read ({error})."
    except Busy:
        return messages.ERROR, "Nothing was done: the bot is busy with an alert. Try again."
    adopted = " The broker's position is the bot's now." if adopt else ""
    return messages.SUCCESS, f"The incident is resolved.{adopted}"


def _roll(request: HttpRequest, incident: Incident, reason: str) -> tuple[int, str]:
    try:
        opening = roll(
            wiring.desk(),
            incident,
            reason=reason,
            by=request.user.get_username(),
            source_address=address_of(request),
        )
    except CannotRoll as why:
        return messages.ERROR, str(why)
    except BrokerError as error:
        return messages.ERROR, f"The broker could not be read ({error}). Look at the bot, then ask again."
    except Busy:
        return messages.ERROR, "The bot is busy with an alert. Look at it, then ask again."
    return (
        messages.SUCCESS,
        f"The old month is closed; the opening in {opening.contract} is {opening.status}.",
    )
