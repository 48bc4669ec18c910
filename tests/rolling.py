"""A roll from MESZ6 to MESH7: what is told of it, what is sent, and who asks for it."""

from dataclasses import replace

from tests.fakes import FakeBroker
from tradedesk.models import Incident, Order
from tradedesk.services.contracts.rolling import roll
from tradedesk.services.desk import Desk

DUE = [("ROLL_DUE", "mes-paper")]
ROLLED = [("BUY", 1, "MESZ6"), ("SELL", 1, "MESZ6"), ("BUY", 1, "MESH7")]


def move_front(broker: FakeBroker, name: str = "MESH7") -> None:
    """Let the broker call another month the front one."""
    for number, contract in broker.contracts.items():
        if contract.product == "MES":
            broker.contracts[number] = replace(contract, is_front=contract.name == name)


def rolled(desk: Desk, incident: Incident) -> Order:
    return roll(desk, incident, reason="It is time.", by="ada")
