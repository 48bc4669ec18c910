"""Where rows live: one table for each kind, with the protocol's look-ups, and a log of changes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from broker.paper.records import risk_rows, rows, wire
from broker.paper.records.wire import Row

FIRST_ID = 663_695_020_000
# Kinds that are the broker's own business: journalled, and never on the wire.
HIDDEN_KINDS = frozenset({"price", "progress", "draft"})


@dataclass(frozen=True, slots=True)
class Change:
    """One row as it stood after one step, in the order of the steps."""

    kind: str
    created: bool
    row: Row


class Table[R: Row]:
    """The rows of one kind by id, by master (`deps`) and, where they have one, by name."""

    def __init__(
        self, kind: str, row_type: type[R], master: str = "", log: list[Change] | None = None
    ) -> None:
        self.kind = kind
        self.row_type = row_type
        self._master = master
        self._log = log
        self._rows: dict[int, R] = {}
        self._texts: dict[int, str] = {}
        self._by_master: dict[int, list[int]] = {}
        self._by_name: dict[str, int] = {}

    def put(self, row: R) -> R:
        """Store a row, new or changed, and log the change."""
        created = row.id not in self._rows
        if self._log is not None:
            self._log.append(Change(self.kind, created, row))
        self.load(row)
        return row

    def load(self, row: R) -> None:
        """Store a row that is no news: from the journal or from the catalogue."""
        if row.id not in self._rows:
            if self._master:
                self._by_master.setdefault(getattr(row, self._master), []).append(row.id)
            if name := getattr(row, "name", ""):
                self._by_name[name] = row.id
        self._rows[row.id] = row
        self._texts.pop(row.id, None)

    def get(self, row_id: int) -> R | None:
        """Return the row of an id, None for an unknown one."""
        return self._rows.get(row_id)

    def __getitem__(self, row_id: int) -> R:
        return self._rows[row_id]

    def __iter__(self) -> Iterator[R]:
        return iter(self._rows.values())

    def of(self, master_id: int) -> list[R]:
        """Return the dependants of one master, oldest first."""
        return [self._rows[row_id] for row_id in self._by_master.get(master_id, ())]

    def master_of(self, row: R) -> int:
        """Return the id of the row that a row depends on."""
        return int(getattr(row, self._master))

    def last_of(self, master_id: int) -> R:
        """Return the newest dependant of one master."""
        return self._rows[self._by_master[master_id][-1]]

    def named(self, name: str) -> R | None:
        """Return the row of exactly this name."""
        row_id = self._by_name.get(name)
        return None if row_id is None else self._rows[row_id]

    def text(self, row: R) -> str:
        """Return a row as JSON text, made once for each state of the row."""
        text = self._texts.get(row.id)
        if text is None:
            text = self._texts[row.id] = wire.dump(wire.encode(row))
        return text

    def texts(self, some: Iterable[R]) -> str:
        """Return rows as the text of a JSON array."""
        return f"[{','.join(map(self.text, some))}]"


class Tables:
    """All rows that trading makes. Everything here survives a restart; `take_changes` says what to keep."""

    def __init__(self) -> None:
        self._log: list[Change] = []
        self._last_id = FIRST_ID
        self.orders = Table("order", rows.Order, "account_id", self._log)
        self.order_versions = Table("orderVersion", rows.OrderVersion, "order_id", self._log)
        self.commands = Table("command", rows.Command, "order_id", self._log)
        self.command_reports = Table("commandReport", rows.CommandReport, "command_id", self._log)
        self.execution_reports = Table("executionReport", rows.ExecutionReport, "command_id", self._log)
        self.fills = Table("fill", rows.Fill, "order_id", self._log)
        self.fill_pairs = Table("fillPair", rows.FillPair, "position_id", self._log)
        self.positions = Table("position", rows.Position, "account_id", self._log)
        self.cash_balances = Table("cashBalance", rows.CashBalance, "account_id", self._log)
        self.fill_fees = Table("fillFee", rows.FillFee, "id", self._log)
        self.margins = Table("marginSnapshot", risk_rows.MarginSnapshot, "id", self._log)
        self.risk_statuses = Table("accountRiskStatus", risk_rows.AccountRiskStatus, "id", self._log)
        self.auto_liqs = Table("userAccountAutoLiq", risk_rows.UserAccountAutoLiq, "id", self._log)
        self.position_limits = Table(
            "userAccountPositionLimit", risk_rows.UserAccountPositionLimit, "account_id", self._log
        )
        self.risk_parameters = Table(
            "userAccountRiskParameter",
            risk_rows.UserAccountRiskParameter,
            "user_account_position_limit_id",
            self._log,
        )
        self.trading_permissions = Table(
            "tradingPermission", risk_rows.TradingPermission, "user_id", self._log
        )
        self.prices = Table("price", rows.Price, log=self._log)
        self.progress = Table("progress", rows.Progress, log=self._log)
        # The terms that a Modify command on its way asks for, under that command's id.
        self.drafts = Table("draft", rows.OrderVersion, log=self._log)
        self.kinds: dict[str, Table[Any]] = {
            table.kind: table for table in vars(self).values() if isinstance(table, Table)
        }

    def new_id(self) -> int:
        """Return an id that no row has had."""
        self._last_id += 1
        return self._last_id

    def take_changes(self) -> list[Change]:
        """Return the changes since the last call."""
        changes = self._log[:]
        self._log.clear()
        return changes

    def load(self, kind: str, data: wire.Json) -> None:
        """Store one row from the journal."""
        table = self.kinds[kind]
        row = wire.decode(table.row_type, data)
        table.load(row)
        self._last_id = max(self._last_id, row.id)
