"""Accounts, their money and limits, and what the client says of products."""

from datetime import UTC, datetime, time
from decimal import Decimal

import httpx
import pytest

from broker.base import BrokerOutcomeUnknown, BrokerRefused
from broker.money import ContractCosts, OuterWall
from broker.tradovate.managing import AccountRisk
from broker.tradovate.rows.accounts import (
    AccountRiskStatus,
    AutoLiqLevels,
    CashBalanceSnapshot,
    MarginSnapshot,
    PositionLimit,
    UserAccountAutoLiq,
    UserAccountPositionLimit,
)
from broker.tradovate.rows.contracts import Contract
from broker.tradovate.words import AdminAction, DrawdownMode, PermissionStatus, TotalBy
from tests.broker.shapes import DAY, TIME, Row, contract, maturity, product, seen
from tests.broker.wire import ACCOUNT_ID, Script, connect

MOMENT = datetime(2026, 11, 23, 15, 0, 0, 250_000, UTC)
SNAPSHOT = "/cashBalance/getcashbalancesnapshot"
SET_LEVELS = "/userAccountAutoLiq/updateuserautoliq"
CREATE_LIMIT, UPDATE_LIMIT = "/userAccountPositionLimit/create", "/userAccountPositionLimit/update"
MARGIN: Row = {
    "id": ACCOUNT_ID,
    "timestamp": TIME,
    "riskTimePeriodId": 0,
    "initialMargin": 2300,
    "maintenanceMargin": 2100.5,
    "autoLiqLevel": 500,
    "totalUsedMargin": 2300,
    "fullInitialMargin": 2300,
    "positionMargin": 2300,
}
LEVELS: Row = {"id": ACCOUNT_ID, "dailyLossAutoLiq": 500, "changesLocked": False}
LIMIT: Row = {"id": 5, "accountId": ACCOUNT_ID, "active": True, "totalBy": "Overall", "longLimit": 3}


@pytest.fixture
def script() -> Script:
    return Script()


def test_risk_of_an_account_has_its_status_margin_and_levels(script: Script) -> None:
    status = {"id": ACCOUNT_ID, "adminAction": "LockTradingImmediately", "liquidateOnly": TIME}
    script.on("/accountRiskStatus/deps", [seen(status)]).on("/marginSnapshot/deps", [seen(MARGIN)])
    script.on("/userAccountAutoLiq/deps", [seen(LEVELS)])

    assert connect(script).account_risk(ACCOUNT_ID, timeout_s=1) == AccountRisk(
        AccountRiskStatus(ACCOUNT_ID, AdminAction.LOCK_TRADING_IMMEDIATELY, None, MOMENT, None),
        MarginSnapshot(
            ACCOUNT_ID,
            MOMENT,
            risk_time_period_id=0,
            initial_margin=Decimal(2300),
            maintenance_margin=Decimal("2100.5"),
            auto_liq_level=Decimal(500),
            liq_only_level=None,
            total_used_margin=Decimal(2300),
            full_initial_margin=Decimal(2300),
            position_margin=Decimal(2300),
        ),
        UserAccountAutoLiq(id=ACCOUNT_ID, daily_loss_auto_liq=Decimal(500), changes_locked=False),
    )
    assert [request.query for request in script.requests[1:]] == [{"masterid": str(ACCOUNT_ID)}] * 3


def test_account_of_which_the_broker_has_no_risk_rows_says_so(script: Script) -> None:
    script.on("/accountRiskStatus/deps", []).on("/marginSnapshot/deps", [])
    script.on("/userAccountAutoLiq/deps", [])
    broker = connect(script)

    assert broker.account_risk(ACCOUNT_ID, timeout_s=1) == AccountRisk(None, None, None)
    assert broker.auto_liquidation(ACCOUNT_ID, timeout_s=1) is None


def test_money_of_an_account_is_exact(script: Script) -> None:
    reply = {"totalCashValue": 50000.1, "totalPnL": -12.5, "netLiq": 49987.6, "openPnL": -12.5}
    script.on(SNAPSHOT, reply | {"realizedPnL": 0, "cashUSD": 50000.1})

    assert connect(script).cash(ACCOUNT_ID, timeout_s=1) == CashBalanceSnapshot(
        total_cash_value=Decimal("50000.1"),
        total_pnl=Decimal("-12.5"),
        initial_margin=None,
        maintenance_margin=None,
        net_liq=Decimal("49987.6"),
        open_pnl=Decimal("-12.5"),
        realized_pnl=Decimal(0),
        week_realized_pnl=None,
        error_text=None,
    )
    assert script.requests[-1].body == {"accountId": ACCOUNT_ID}


def test_snapshot_with_an_error_text_is_refused(script: Script) -> None:
    script.on(SNAPSHOT, {"errorText": "Access is denied"})

    with pytest.raises(BrokerRefused, match="Access is denied"):
        connect(script).cash(ACCOUNT_ID, timeout_s=1)


def test_balances_of_an_account_name_currency_and_trade_date(script: Script) -> None:
    row = {"id": 1, "accountId": ACCOUNT_ID, "timestamp": TIME, "tradeDate": DAY, "currencyId": 1}
    script.on("/cashBalance/deps", [seen(row | {"amount": 50000.1})])

    (balance,) = connect(script).cash_balances(ACCOUNT_ID, timeout_s=1)

    assert (balance.currency_id, balance.amount) == (1, Decimal("50000.1"))


def test_only_levels_that_are_given_are_set(script: Script) -> None:
    script.on(SET_LEVELS, {"userAccountAutoLiq": seen(LEVELS)})
    levels = AutoLiqLevels(
        daily_loss_auto_liq=Decimal("500.50"),
        trailing_max_drawdown_mode=DrawdownMode.EOD,
        flatten_timestamp=MOMENT,
        do_not_unlock=False,
    )

    changed = connect(script).set_auto_liquidation(ACCOUNT_ID, levels, timeout_s=1)

    assert changed == UserAccountAutoLiq(
        id=ACCOUNT_ID, daily_loss_auto_liq=Decimal(500), changes_locked=False
    )
    assert script.requests[-1].body == {
        "accountId": ACCOUNT_ID,
        "dailyLossAutoLiq": 500.5,
        "trailingMaxDrawdownMode": "EOD",
        "flattenTimestamp": TIME,
        "doNotUnlock": False,
    }


def test_levels_that_were_read_can_be_set_again(script: Script) -> None:
    script.on("/userAccountAutoLiq/deps", [LEVELS]).on(SET_LEVELS, {"permissionedAccountAutoLiq": LEVELS})
    broker = connect(script)

    levels = broker.auto_liquidation(ACCOUNT_ID, timeout_s=1)
    assert levels is not None
    assert broker.set_auto_liquidation(ACCOUNT_ID, levels, timeout_s=1) == levels
    assert script.requests[-1].body == {"accountId": ACCOUNT_ID, "dailyLossAutoLiq": 500}


def test_levels_that_the_reply_does_not_confirm_may_be_set(script: Script) -> None:
    script.on(SET_LEVELS, {})

    with pytest.raises(BrokerOutcomeUnknown, match="userAccountAutoLiq"):
        connect(script).set_auto_liquidation(ACCOUNT_ID, AutoLiqLevels(), timeout_s=1)


def test_new_position_limit_is_created(script: Script) -> None:
    script.on(CREATE_LIMIT, seen(LIMIT))
    limit = PositionLimit(account_id=ACCOUNT_ID, active=True, total_by=TotalBy.OVERALL, long_limit=3)

    made = connect(script).set_position_limit(limit, timeout_s=1)

    assert made == UserAccountPositionLimit(
        id=5, account_id=ACCOUNT_ID, active=True, total_by=TotalBy.OVERALL, long_limit=3
    )
    assert script.requests[-1].body == {name: value for name, value in LIMIT.items() if name != "id"}


def test_position_limit_that_was_read_is_updated(script: Script) -> None:
    script.on("/userAccountPositionLimit/deps", [seen(LIMIT)]).on(UPDATE_LIMIT, LIMIT)
    broker = connect(script)

    (limit,) = broker.position_limits(ACCOUNT_ID, timeout_s=1)
    assert broker.set_position_limit(limit, timeout_s=1) == limit
    assert script.requests[-1].body == LIMIT


@pytest.mark.parametrize(
    ("fields", "position"),
    [
        ({"longLimit": 3, "shortLimit": 2}, 3),
        ({"longLimit": 3, "shortLimit": 2, "exposedLimit": 1}, 1),
        ({"exposedLimit": 4}, 4),
        ({"longLimit": 3}, None),
        ({"longLimit": 3, "shortLimit": 3, "active": False}, None),
        ({"longLimit": 3, "shortLimit": 3, "totalBy": "Product"}, None),
        ({"longLimit": 3, "shortLimit": 3, "productId": 800}, None),
    ],
)
def test_outer_wall_counts_limits_of_the_whole_account_either_way(
    script: Script, fields: Row, position: int | None
) -> None:
    limit = {"id": 5, "accountId": ACCOUNT_ID, "active": True, "totalBy": "Overall"} | fields
    script.on("/userAccountPositionLimit/deps", [limit])
    script.on("/userAccountAutoLiq/deps", [{"id": ACCOUNT_ID, "dailyLossAutoLiq": 750.5}])

    assert connect(script).outer_wall(ACCOUNT_ID, timeout_s=1) == OuterWall(Decimal("750.5"), position)


def test_account_without_limits_has_no_outer_wall(script: Script) -> None:
    script.on("/userAccountPositionLimit/deps", []).on("/userAccountAutoLiq/deps", [])

    assert connect(script).outer_wall(ACCOUNT_ID, timeout_s=1) == OuterWall(None, None)


def test_parameters_of_a_limit_name_sizes_of_single_orders(script: Script) -> None:
    row = {"id": 6, "userAccountPositionLimitId": 5, "maxOpeningOrderQty": 2, "hardLimit": True}
    script.on("/userAccountRiskParameter/deps", [seen(row)])

    (found,) = connect(script).risk_parameters(5, timeout_s=1)

    assert (found.max_opening_order_qty, found.max_closing_order_qty, found.hard_limit) == (2, None, True)
    assert script.requests[-1].query == {"masterid": "5"}


def test_permissions_name_user_and_account(script: Script) -> None:
    row = {"id": 9, "userId": 7, "accountId": ACCOUNT_ID, "status": "Accepted", "ctaContact": "Bo"}
    more = {
        "accountHolderContact": "Firm",
        "accountHolderEmail": "firm@example.com",
        "ctaEmail": "b@example.com",
    }
    script.on("/tradingPermission/list", [seen(row | more)])

    (found,) = connect(script).trading_permissions(timeout_s=1)

    assert (found.user_id, found.account_id, found.status) == (7, ACCOUNT_ID, PermissionStatus.ACCEPTED)


def test_owner_of_the_token_is_named(script: Script) -> None:
    script.on("/auth/me", seen({"userId": 7, "name": "ada", "emailVerified": True}))

    me = connect(script).me(timeout_s=1)

    assert (me.user_id, me.name, me.is_trial) == (7, "ada", None)


# Products.


def test_next_contract_is_named_and_nothing_is_traded(script: Script) -> None:
    following = contract(id=3002, name="MESH7", contractMaturityId=901)
    script.on("/contract/rollcontract", {"contract": seen(following)})
    script.on("/contractMaturity/item", maturity(id=901, isFront=False)).on("/product/item", product())
    broker = connect(script)

    found = broker.next_contract("MESZ6", timeout_s=1)

    assert (found.id, found.name, found.is_front) == (3002, "MESH7", False)
    assert script.sent("/contract/rollcontract")[0].body == {"name": "MESZ6", "forward": True}
    assert broker.contract_by_id(3002, timeout_s=1) == found
    assert "/contract/item" not in script.paths()


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ({"errorText": "no such contract"}, BrokerRefused),
        ({}, BrokerOutcomeUnknown),
        (httpx.Response(404), BrokerRefused),
    ],
)
def test_contract_without_a_next_one_is_an_error(
    script: Script, reply: object, error: type[Exception]
) -> None:
    script.on("/contract/rollcontract", reply)

    with pytest.raises(error):
        connect(script).next_contract("MESZ6", timeout_s=1)


def test_suggestions_are_contracts_by_name(script: Script) -> None:
    script.on("/contract/suggest", [seen(contract())])

    assert connect(script).suggest("ME&S", limit=5, timeout_s=1) == [Contract(3001, "MESZ6", 900)]
    assert script.requests[-1].query == {"t": "ME&S", "l": "5"}


def test_fees_are_those_of_the_root(script: Script) -> None:
    margin = {"initialMargin": 2300, "maintenanceMargin": 2100, "timestamp": TIME}
    ours = {"productId": 800, "commission": 0.35, "dayMargin": 50, "fullMargin": margin}
    script.on("/product/find", product())
    script.on("/contract/getproductfeeparams", {"params": [{"productId": 1}, seen(ours)]})

    found = connect(script).fees("MES", timeout_s=1)

    assert (found.product_id, found.commission, found.day_margin) == (800, Decimal("0.35"), Decimal(50))
    assert found.full_margin is not None
    assert found.full_margin.initial_margin == Decimal(2300)
    assert script.requests[-1].body == {"productIds": [800]}


@pytest.mark.parametrize(
    ("told", "costs"),
    [
        ({"commission": 0.35, "exchangeFee": 0.2}, ContractCosts(Decimal("0.55"), None)),
        ({"commission": 0}, ContractCosts(Decimal(0), None)),
        ({}, ContractCosts(None, None)),
        (
            {"fullMargin": {"initialMargin": 2300, "maintenanceMargin": 2100, "timestamp": TIME}},
            ContractCosts(None, Decimal(2300)),
        ),
    ],
)
def test_costs_are_all_fees_together_and_the_full_margin(
    script: Script, told: Row, costs: ContractCosts
) -> None:
    script.on("/product/find", product())
    script.on("/contract/getproductfeeparams", {"params": [{"productId": 800} | told]})

    assert connect(script).costs("MES", timeout_s=1) == costs


def test_root_without_fees_is_refused(script: Script) -> None:
    script.on("/product/find", product()).on("/contract/getproductfeeparams", {"params": []})

    with pytest.raises(BrokerRefused, match="MES"):
        connect(script).fees("MES", timeout_s=1)


def test_session_of_a_root_is_read_by_its_product(script: Script) -> None:
    at = {"hour": 17, "minute": 0}
    row = {"id": 800, "openTime": at, "startTime": at, "stopTime": at, "closeTime": {"hour": 16, "minute": 0}}
    script.on("/product/find", product()).on("/productSession/item", seen(row))

    found = connect(script).product_session("MES", timeout_s=1)

    assert (found.open_time, found.close_time) == (time(17), time(16))
    assert script.requests[-1].query == {"id": "800"}
