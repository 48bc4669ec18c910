"""Faults by name, in modules named as what finds them."""

from tests.infra.fault import Fault
from tests.infra.faults import gateway, language, network, regions, rights, stores, watching

FAULTS: dict[str, Fault] = {
    name: fault
    for module in (language, network, stores, rights, gateway, watching, regions)
    for name, fault in module.FAULTS.items()
}
