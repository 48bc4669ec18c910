from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from strategy.types import Action, Color, Direction
from tradedesk.logs import redact
from tradedesk.models import Alert, Decision, Fill, Incident, Order, OrderSide, OrderStatus, TradingMode
from tradedesk.services.shapes import MODE_WORDS, plain
from tradedesk.services.showing import BotRow

DIRECTIONS = [(direction.value, direction.value) for direction in Direction]
COLORS = [(color.value, color.value) for color in Color]


@extend_schema_field({"type": "string", "pattern": r"^-?\d+(\.\d+)?$", "example": "6842.25"})
class Price(serializers.Field[Decimal, Any, str | None, Any]):
    """A price in points as plain decimal text, neither exponent nor trailing zeros."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)

    def to_representation(self, value: Decimal) -> str | None:
        return plain(value)


def _slug(source: str | None = None, *, allow_null: bool = False) -> serializers.CharField:
    return serializers.CharField(source=source, read_only=True, allow_null=allow_null)


class BotSerializer(serializers.Serializer[BotRow]):
    slug = serializers.CharField()
    strategy = serializers.CharField(help_text="Slug of the strategy.")
    account = serializers.CharField(help_text="Name of the account.")
    instrument = serializers.CharField(help_text="Root of the instrument.")
    current_position = serializers.ChoiceField(DIRECTIONS, help_text="What the broker confirmed is held.")
    trend_color = serializers.ChoiceField(COLORS, allow_null=True, help_text="Null before the first colour.")
    waiting_for_reentry = serializers.ChoiceField([("YES", "Yes"), ("NO", "No")])
    last_updated = serializers.DateTimeField(allow_null=True)
    target = serializers.ChoiceField(DIRECTIONS, help_text="What the strategy wants held.")
    quantity = serializers.IntegerField(help_text="Contracts held; short is negative.")
    contract = serializers.CharField(allow_blank=True, help_text="The contract held; empty when flat.")
    average_price = Price(allow_null=True)
    trading_state = serializers.ChoiceField(
        TradingMode.choices, help_text="The strictest of the desk's, the account's and the bot's."
    )
    open_incidents = serializers.IntegerField(help_text="Open incidents of the bot or its whole account.")


class AlertSerializer(serializers.ModelSerializer[Alert]):
    strategy = _slug("strategy.slug")
    bot = serializers.SerializerMethodField(help_text="The strategy's bot; null where it has several.")
    bots = serializers.SerializerMethodField(help_text="All bots of the strategy.")
    created_at = serializers.DateTimeField(source="received_at", read_only=True)
    close = Price(allow_null=True)
    body = serializers.SerializerMethodField(help_text="As received, secrets cut out.")
    errors = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()),
        read_only=True,
        help_text="What was wrong with a rejected one, by dotted field.",
    )

    class Meta:
        model = Alert
        fields = [
            "id",
            "strategy",
            "bot",
            "bots",
            "created_at",
            "received_at",
            "outcome",
            "event_key",
            "action",
            "indicator",
            "symbol",
            "exchange",
            "timeframe",
            "contract",
            "bar_open",
            "fired_at",
            "effective_at",
            "close",
            "source_address",
            "body",
            "errors",
        ]
        read_only_fields = fields

    def get_bot(self, alert: Alert) -> str | None:
        bots = self.get_bots(alert)
        return bots[0] if len(bots) == 1 else None

    def get_bots(self, alert: Alert) -> list[str]:
        return [bot.slug for bot in alert.strategy.bots.all()]

    def get_body(self, alert: Alert) -> str:
        return redact(alert.body)


class StateSerializer(serializers.Serializer[dict[str, Any]]):
    current_position = serializers.ChoiceField(DIRECTIONS)
    trend_color = serializers.ChoiceField(COLORS, allow_null=True)
    waiting_for_reentry = serializers.ChoiceField([("YES", "Yes"), ("NO", "No")])
    last_updated = serializers.CharField(allow_null=True)


class DecisionSerializer(serializers.ModelSerializer[Decision]):
    alert = serializers.UUIDField(source="alert_id", read_only=True)
    bot = _slug("bot.slug")
    action = serializers.ChoiceField([(action.value, action.value) for action in Action], read_only=True)
    detail = serializers.DictField(read_only=True, help_text="The figures behind the reason.")
    state_before = StateSerializer(read_only=True)
    state_after = StateSerializer(read_only=True)

    class Meta:
        model = Decision
        fields = [
            "id",
            "alert",
            "bot",
            "created_at",
            "action",
            "reason",
            "detail",
            "state_before",
            "state_after",
        ]
        read_only_fields = fields


class OrderSerializer(serializers.ModelSerializer[Order]):
    alert = serializers.UUIDField(source="decision.alert_id", read_only=True, allow_null=True, default=None)
    decision = serializers.UUIDField(source="decision_id", read_only=True, allow_null=True)
    bot = serializers.CharField(source="bot.slug", read_only=True, allow_null=True, default=None)
    account = _slug("account.name")
    entry = serializers.UUIDField(
        source="entry_id",
        read_only=True,
        allow_null=True,
        help_text="The opening whose position a stop or a target closes.",
    )
    price = Price(allow_null=True, help_text="Where a stop or a target waits; null at market.")
    broker_order_id = serializers.CharField(read_only=True, allow_null=True)
    average_price = Price(allow_null=True)

    class Meta:
        model = Order
        fields = [
            "id",
            "alert",
            "decision",
            "bot",
            "account",
            "created_at",
            "client_order_id",
            "purpose",
            "entry",
            "side",
            "quantity",
            "contract",
            "price",
            "status",
            "broker_order_id",
            "filled_quantity",
            "average_price",
            "note",
            "sent_at",
            "acknowledged_at",
            "settled_at",
        ]
        read_only_fields = fields


class FillSerializer(serializers.ModelSerializer[Fill]):
    order = serializers.UUIDField(source="order_id", read_only=True)
    decision = serializers.UUIDField(source="order.decision_id", read_only=True, allow_null=True)
    alert = serializers.UUIDField(
        source="order.decision.alert_id", read_only=True, allow_null=True, default=None
    )
    bot = serializers.CharField(source="bot.slug", read_only=True, allow_null=True, default=None)
    account = _slug("account.name")
    client_order_id = _slug("order.client_order_id")
    broker_fill_id = serializers.CharField(read_only=True)
    price = Price()

    class Meta:
        model = Fill
        fields = [
            "id",
            "alert",
            "decision",
            "order",
            "bot",
            "account",
            "created_at",
            "filled_at",
            "client_order_id",
            "broker_fill_id",
            "side",
            "quantity",
            "contract",
            "price",
        ]
        read_only_fields = fields


class IncidentSerializer(serializers.ModelSerializer[Incident]):
    bot = serializers.CharField(source="bot.slug", read_only=True, allow_null=True, default=None)
    account = _slug("account.name")
    created_at = serializers.DateTimeField(source="opened_at", read_only=True)
    description = serializers.CharField(source="get_kind_display", read_only=True)
    seen = serializers.DictField(read_only=True, help_text="What was seen, in figures.")

    class Meta:
        model = Incident
        fields = [
            "id",
            "bot",
            "account",
            "created_at",
            "kind",
            "subject",
            "description",
            "seen",
            "blocks",
            "remedy",
            "opened_at",
            "updated_at",
            "closed_at",
            "closed_by",
            "closing_reason",
        ]
        read_only_fields = fields


class ScopeSerializer(serializers.Serializer[Any]):
    scope = serializers.CharField(
        default="all", max_length=80, help_text="`all`, `account:NAME` or `bot:SLUG`."
    )


class SwitchRequest(ScopeSerializer):
    engaged = serializers.BooleanField(help_text="True stops trading, false lets it go on.")
    mode = serializers.ChoiceField(
        sorted(MODE_WORDS),
        default="halt",
        help_text="`halt`: nothing leaves. `reduce`: only toward flat. `flatten`: halt, then close all.",
    )
    reason = serializers.CharField(
        default="", allow_blank=True, max_length=500, help_text="Required to release."
    )
    code = serializers.CharField(
        default="",
        allow_blank=True,
        max_length=40,
        write_only=True,
        help_text="One-time code of your second factor; required to release a live account.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs["engaged"] and not attrs["reason"]:
            raise serializers.ValidationError({"reason": ["Required to release the switch."]})
        return attrs


class FlattenRequest(ScopeSerializer):
    reason = serializers.CharField(default="", allow_blank=True, max_length=500)


class ReconcileRequest(serializers.Serializer[Any]):
    account = serializers.CharField(
        default="", allow_blank=True, max_length=64, help_text="Name of one account; empty: all enabled."
    )


class ResolveRequest(serializers.Serializer[Any]):
    adopt = serializers.BooleanField(
        default=False, help_text="Book the broker's position as the bot's before closing the incident."
    )
    reason = serializers.CharField(max_length=500)


class PositionHeld(serializers.Serializer[Any]):
    account = serializers.CharField()
    contract = serializers.CharField(required=False)
    quantity = serializers.IntegerField(required=False)
    order = serializers.CharField(
        required=False, help_text="The broker's id of an order that works though it was to be cancelled."
    )
    error = serializers.CharField(required=False, help_text="Why the account could not be read.")


class OrderSent(serializers.Serializer[Any]):
    client_order_id = serializers.CharField()
    side = serializers.ChoiceField(OrderSide.choices)
    quantity = serializers.IntegerField()
    contract = serializers.CharField()
    status = serializers.ChoiceField(OrderStatus.choices)
    broker_order_id = serializers.CharField(allow_null=True)
    filled_quantity = serializers.IntegerField()
    average_price = Price(allow_null=True)


class FlattenAnswer(serializers.Serializer[Any]):
    flat = serializers.BooleanField(help_text="Two reads of the broker showed nothing held or working.")
    positions = PositionHeld(many=True)
    orders = OrderSent(many=True)


class StoppedScope(serializers.Serializer[Any]):
    scope = serializers.CharField()
    trading_state = serializers.ChoiceField(TradingMode.choices)
    reason = serializers.CharField(allow_blank=True)


class Flattening(serializers.Serializer[Any]):
    scope = serializers.CharField()
    by = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)
    since = serializers.DateTimeField()
    tries = serializers.IntegerField()
    looked_at = serializers.DateTimeField(allow_null=True, help_text="When the broker was last asked.")
    positions = PositionHeld(many=True, help_text="What was held then.")


class SwitchAnswer(serializers.Serializer[Any]):
    engaged = serializers.BooleanField()
    scope = serializers.CharField()
    mode = serializers.ChoiceField(["halt", "reduce"], allow_null=True, help_text="Null when released.")
    trading_state = serializers.ChoiceField(
        TradingMode.choices, help_text="The strictest that rules the scope; a wider switch counts too."
    )
    since = serializers.DateTimeField(allow_null=True)
    by = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True)
    in_flight = serializers.IntegerField(help_text="Orders claimed before whose sending had not ended.")
    within = StoppedScope(many=True, help_text="Narrower scopes that are stopped on their own.")
    flattening = Flattening(many=True, help_text="What is to be flat and is not yet.")
    flat = serializers.BooleanField(required=False, help_text="After `flatten` only.")
    positions = PositionHeld(many=True, required=False)
    orders = OrderSent(many=True, required=False)


class DifferenceSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    bot = serializers.CharField(allow_null=True)
    subject = serializers.CharField()
    broker = serializers.IntegerField()
    booked = serializers.IntegerField()
    contract = serializers.CharField(
        required=False, help_text="Of a bot's position: the month in which broker and desk differ most."
    )


class ReconcileAnswer(serializers.Serializer[Any]):
    clean = serializers.BooleanField()
    differences = DifferenceSerializer(many=True)
    incidents = IncidentSerializer(many=True)


class ErrorSerializer(serializers.Serializer[Any]):
    """Every error of the API."""

    code = serializers.CharField(help_text="For programs, such as INVALID.")
    detail = serializers.CharField()
    errors = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()),
        help_text="Sentences by dotted field name.",
    )


class NotCleanAnswer(ErrorSerializer):
    """Why a release was refused: `NOT_CLEAN` with what was found, or `LIVE_LOCKED`."""

    differences = DifferenceSerializer(many=True, required=False)
    incidents = IncidentSerializer(many=True, required=False)
