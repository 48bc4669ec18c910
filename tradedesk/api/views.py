from typing import Any, override

from django.db.models import Prefetch
from drf_spectacular.utils import extend_schema
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from tradedesk.api import filters, serializers
from tradedesk.api.pagination import BySlug
from tradedesk.models import Alert, Bot, Decision, Fill, Incident, Order
from tradedesk.services.showing import bot_rows, bots_to_show


@extend_schema(responses=serializers.BotSerializer)
class Bots(ReadOnlyModelViewSet[Bot]):
    """The bots, by slug: what each holds, what it should hold, and whether it may trade."""

    queryset = bots_to_show()
    serializer_class = serializers.BotSerializer  # type: ignore[assignment]
    filter_backends = (filters.StrictFilters,)
    filterset_class = filters.BotFilters
    pagination_class = BySlug
    lookup_field = "slug"
    lookup_value_regex = "[-a-zA-Z0-9_]+"

    @override
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        rows = serializers.BotSerializer(bot_rows(page or []), many=True)  # type: ignore[arg-type]
        return self.get_paginated_response(rows.data)

    @override
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        bot = get_object_or_404(self.get_queryset(), slug=kwargs["slug"])
        return Response(serializers.BotSerializer(bot_rows([bot])[0]).data)


class Alerts(ReadOnlyModelViewSet[Alert]):
    """What came in from TradingView, newest first."""

    queryset = Alert.objects.select_related("strategy").prefetch_related(
        Prefetch("strategy__bots", Bot.objects.order_by("slug"))
    )
    serializer_class = serializers.AlertSerializer
    filter_backends = (filters.StrictFilters,)
    filterset_class = filters.AlertFilters


class Decisions(ReadOnlyModelViewSet[Decision]):
    """What each bot made of each alert, newest first."""

    queryset = Decision.objects.select_related("bot")
    serializer_class = serializers.DecisionSerializer
    filter_backends = (filters.StrictFilters,)
    filterset_class = filters.DecisionFilters


class Orders(ReadOnlyModelViewSet[Order]):
    """What was sent to the brokers, newest first."""

    queryset = Order.objects.select_related("bot", "account", "decision")
    serializer_class = serializers.OrderSerializer
    filter_backends = (filters.StrictFilters,)
    filterset_class = filters.OrderFilters


class Fills(ReadOnlyModelViewSet[Fill]):
    """What the brokers executed, newest first."""

    queryset = Fill.objects.select_related("bot", "account", "order__decision")
    serializer_class = serializers.FillSerializer
    filter_backends = (filters.StrictFilters,)
    filterset_class = filters.FillFilters


class Incidents(ReadOnlyModelViewSet[Incident]):
    """Differences and unknowns that a person must see, newest first."""

    queryset = Incident.objects.select_related("bot", "account")
    serializer_class = serializers.IncidentSerializer
    filter_backends = (filters.StrictFilters,)
    filterset_class = filters.IncidentFilters
