from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tradedesk import wiring
from tradedesk.api import serializers
from tradedesk.api.errors import body_of, broker_unreachable
from tradedesk.models import Account, Incident, TradingMode
from tradedesk.services.alerts.callers import address_of
from tradedesk.services.halting import kill_switch, wishes
from tradedesk.services.halting.flatten import flatten
from tradedesk.services.halting.scopes import state_of
from tradedesk.services.people import second_factor
from tradedesk.services.people.second_factor import VerifiedCode
from tradedesk.services.reconciling.resolving import resolve
from tradedesk.services.reconciling.rounds import reconcile_each
from tradedesk.services.shapes import MODE_WORDS, flattened_json, switch_json

# As in the panel: anyone on the staff may stop, these may let orders out.
MAY_OPERATE, MAY_RESOLVE = "tradedesk.change_tradingstate", "tradedesk.change_incident"
MAY_RELEASE = "tradedesk.release_tradingstate"


def _asked(request: Request, serializer: type[Any]) -> dict[str, Any]:
    """Return the body as the serializer reads it. Raises ValidationError."""
    read = serializer(data=request.data)
    read.is_valid(raise_exception=True)
    asked: dict[str, Any] = read.validated_data
    return asked


def _who(request: Request) -> dict[str, Any]:
    """Return who asks and from where, as services take it."""
    return {"by": request.user.get_username(), "source_address": address_of(request._request)}


def _require(request: Request, right: str) -> None:
    if not request.user.has_perm(right):
        raise PermissionDenied


def _incidents(found: Sequence[Incident]) -> Any:
    return serializers.IncidentSerializer(found, many=True).data


class KillSwitch(APIView):
    """The switch that stops trading for the whole desk, one account or one bot."""

    @extend_schema(parameters=[serializers.ScopeSerializer], responses=serializers.SwitchAnswer)
    def get(self, request: Request) -> Response:
        """Tell how the switch of a scope stands."""
        read = serializers.ScopeSerializer(data=request.query_params.dict())
        read.is_valid(raise_exception=True)
        return Response(switch_json(kill_switch.status(read.validated_data["scope"])))

    @extend_schema(
        request=serializers.SwitchRequest,
        responses={200: serializers.SwitchAnswer, 409: serializers.NotCleanAnswer},
        examples=[
            OpenApiExample(
                "Stop everything",
                {"engaged": True, "scope": "all", "mode": "halt", "reason": "News"},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Engage or release the switch; the answer comes once no order can leave any more.

        A release reconciles first; while the broker and the desk disagree it is refused with `NOT_CLEAN`.
        One that lets a live account out needs `code`, else it is refused with `LIVE_LOCKED`.
        """
        asked = _asked(request, serializers.SwitchRequest)
        loosens = asked["mode"] == "reduce" and state_of(asked["scope"]).mode == TradingMode.HALTED
        if not asked["engaged"]:
            _require(request, MAY_RELEASE)
        elif asked["mode"] == "flatten" or loosens:
            _require(request, MAY_OPERATE)
        if asked["engaged"]:
            return Response(_engage(request, asked))
        reason, scope = asked["reason"], asked["scope"]
        try:
            code = _code_of(request, asked["code"])
            switch = kill_switch.release(
                wiring.desk(), scope=scope, reason=reason, code=code, **_who(request)
            )
        except kill_switch.NotClean as found:
            return _not_clean(found)
        return Response(switch_json(switch))


def _code_of(request: Request, given: str) -> VerifiedCode | None:
    """Return the proof of the caller's one-time code, None where none was given or it is not right."""
    if not given or not isinstance(request.user, User):
        return None
    return second_factor.check(request.user, given, wiring.desk().now())


def _engage(request: Request, asked: dict[str, Any]) -> dict[str, Any]:
    desk, scope, reason = wiring.desk(), asked["scope"], asked["reason"]
    mode = MODE_WORDS[asked["mode"]]
    switch = kill_switch.engage(desk, scope=scope, mode=mode, reason=reason, **_who(request))
    if asked["mode"] != "flatten":
        return switch_json(switch)
    flattened = flattened_json(flatten(desk, scope=scope, reason=reason, **_who(request)))
    return switch_json(switch) | flattened


def _not_clean(found: kill_switch.NotClean) -> Response:
    body = body_of("NOT_CLEAN", f"{found} Trading stays off.")
    return Response(
        {**body, "differences": found.differences, "incidents": _incidents(found.incidents)}, status=409
    )


class Flatten(APIView):
    """Closes everything in a scope, halted or not."""

    @extend_schema(request=serializers.FlattenRequest, responses=serializers.FlattenAnswer)
    def post(self, request: Request) -> Response:
        """Cancel what works and close what is held; answers when flat, or after ten seconds.

        What is not flat by then goes on in the background; the kill switch tells how far it is.
        """
        _require(request, MAY_OPERATE)
        asked = _asked(request, serializers.FlattenRequest)
        result = flatten(wiring.desk(), scope=asked["scope"], reason=asked["reason"], **_who(request))
        return Response(flattened_json(result))

    @extend_schema(
        parameters=[serializers.FlattenRequest],
        responses={200: serializers.SwitchAnswer, 404: serializers.ErrorSerializer},
    )
    def delete(self, request: Request) -> Response:
        """End a flatten that goes on. Entries stay blocked until the switch of the scope is released."""
        _require(request, MAY_OPERATE)
        read = serializers.FlattenRequest(data=request.query_params.dict())
        read.is_valid(raise_exception=True)
        asked = read.validated_data
        if not wishes.cancel(**asked, **_who(request), now=wiring.desk().now()):
            raise NotFound(f"No flatten of {asked['scope']} goes on.")
        return Response(switch_json(kill_switch.status(asked["scope"])))


class Reconcile(APIView):
    """Compares the desk with its brokers."""

    @extend_schema(request=serializers.ReconcileRequest, responses=serializers.ReconcileAnswer)
    def post(self, request: Request) -> Response:
        """Compare one account, or all enabled ones, with the broker. Nothing is traded."""
        name = _asked(request, serializers.ReconcileRequest)["account"]
        accounts = list(Account.objects.filter(name=name) if name else Account.objects.filter(enabled=True))
        if name and not accounts:
            raise ValidationError({"account": [f"There is no account “{name}”."]})
        found = reconcile_each(wiring.desk(), accounts)
        if found.unread:
            return broker_unreachable(found.silence)
        return Response(
            {
                "clean": found.clean,
                "differences": found.differences,
                "incidents": _incidents(found.incidents),
            }
        )


class ResolveIncident(APIView):
    """Closes an incident by a person's word."""

    @extend_schema(
        request=serializers.ResolveRequest,
        responses={200: serializers.IncidentSerializer, 409: serializers.ErrorSerializer},
    )
    def post(self, request: Request, pk: str) -> Response:
        """Close an incident, with `adopt` after booking the broker's position as the bot's."""
        _require(request, MAY_RESOLVE)
        asked = _asked(request, serializers.ResolveRequest)
        incident = get_object_or_404(Incident.objects.select_related("bot", "account"), pk=pk)
        if incident.closed_at is not None:
            return Response(body_of("ALREADY_CLOSED", "The incident is closed already."), status=409)
        resolved = resolve(
            wiring.desk(), incident, adopt=asked["adopt"], reason=asked["reason"], **_who(request)
        )
        return Response(serializers.IncidentSerializer(resolved).data)
