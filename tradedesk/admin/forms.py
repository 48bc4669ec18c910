from typing import Any

from django import forms

from strategy.timeframes import parse_timeframe
from tradedesk.models import Account, Bot, Strategy


class StrategyForm(forms.ModelForm):  # type: ignore[type-arg] # as in PanelAdmin
    class Meta:
        labels = {"di_timeframe": "DI timeframe"}

    def clean_trend_timeframe(self) -> str:
        return self._timeframe("trend_timeframe")

    def clean_di_timeframe(self) -> str:
        return self._timeframe("di_timeframe")

    def clean_filter_timeframe(self) -> str:
        if not self.cleaned_data["filter_timeframe"]:
            return ""
        text = self._timeframe("filter_timeframe")
        longer, trend = parse_timeframe(text), parse_timeframe(self.cleaned_data.get("trend_timeframe", ""))
        if longer is not None and trend is not None and longer <= trend:
            raise forms.ValidationError("It must be longer than the trend timeframe.")
        return text

    def _timeframe(self, name: str) -> str:
        text = str(self.cleaned_data[name])
        if parse_timeframe(text) is None:
            raise forms.ValidationError("Write it as TradingView does: minutes such as 10, or 1D.")
        return text


class AccountForm(forms.ModelForm):  # type: ignore[type-arg]
    sign_off_anew = forms.BooleanField(
        required=False,
        help_text="The account that this login leads to from now on is meant: look it up and keep it.",
    )

    def clean_sign_off_anew(self) -> bool:
        is_meant = bool(self.cleaned_data["sign_off_anew"])
        if is_meant:
            self.instance.broker_account_id, self.instance.broker_account_name = None, ""
        return is_meant


class BotForm(forms.ModelForm):  # type: ignore[type-arg]
    """Takes the instrument from the strategy: a bot trades what its alerts are about."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        strategy: Strategy | None = cleaned.get("strategy") or getattr(self.instance, "strategy", None)
        account: Account | None = cleaned.get("account") or getattr(self.instance, "account", None)
        limit, size = cleaned.get("max_position"), cleaned.get("size")
        if limit is not None and size is not None and limit < size:
            self.add_error("max_position", "It must be at least the size, or no order could ever open.")
        stop = cleaned.get("stop_points")
        if strategy is not None and stop is not None and stop < strategy.instrument.tick_size:
            self.add_error("stop_points", "It must be at least a tick of the instrument.")
        if strategy is None or account is None:
            return cleaned
        self.instance.instrument = strategy.instrument
        taken = Bot.objects.filter(account=account, instrument=strategy.instrument).exclude(
            pk=self.instance.pk
        )
        if other := taken.first():
            sentence = f"{account} trades {strategy.instrument} with {other} already, and the broker nets."
            self.add_error("account" if "account" in self.fields else None, sentence)
        return cleaned
