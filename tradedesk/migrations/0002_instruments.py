from decimal import Decimal

from django.db import migrations

THIRD_FRIDAY = "3rd Friday of the contract month, 08:30 Chicago"
CL_RULE = "3 business days before the 25th of the month before; 4 if the 25th is no business day"
GC_RULE = "3rd last business day of the contract month"
INDEX = ("HMUZ", "cash", THIRD_FRIDAY)
GOLD = ("GJMQVZ", "delivery", GC_RULE)
EVERY_MONTH = "FGHJKMNQUVXZ"

# root, name, exchange, tick in points, dollars per point, months, settlement, last trading day
INSTRUMENTS = [
    ("ES", "E-mini S&P 500", "CME_MINI", "0.25", "50", *INDEX),
    ("MES", "Micro E-mini S&P 500", "CME_MINI", "0.25", "5", *INDEX),
    ("NQ", "E-mini Nasdaq-100", "CME_MINI", "0.25", "20", *INDEX),
    ("MNQ", "Micro E-mini Nasdaq-100", "CME_MINI", "0.25", "2", *INDEX),
    ("YM", "E-mini Dow", "CBOT_MINI", "1", "5", *INDEX),
    ("MYM", "Micro E-mini Dow", "CBOT_MINI", "1", "0.5", *INDEX),
    ("RTY", "E-mini Russell 2000", "CME_MINI", "0.1", "50", *INDEX),
    ("M2K", "Micro E-mini Russell 2000", "CME_MINI", "0.1", "5", *INDEX),
    ("CL", "Crude Oil", "NYMEX", "0.01", "1000", EVERY_MONTH, "delivery", CL_RULE),
    ("MCL", "Micro WTI Crude Oil", "NYMEX", "0.01", "100", EVERY_MONTH, "cash", "one business day before CL"),
    ("GC", "Gold", "COMEX", "0.1", "100", *GOLD),
    ("MGC", "Micro Gold", "COMEX", "0.1", "10", *GOLD),
]


def add(apps, schema_editor):
    Instrument = apps.get_model("tradedesk", "Instrument")
    for root, name, exchange, tick, point, months, settlement, rule in INSTRUMENTS:
        Instrument.objects.get_or_create(
            root=root,
            defaults={
                "name": name,
                "exchange": exchange,
                "tick_size": Decimal(tick),
                "point_value": Decimal(point),
                "months": months,
                "settlement": settlement,
                "last_trading_day": rule,
            },
        )
    apps.get_model("tradedesk", "TradingState").objects.get_or_create(scope="all")


class Migration(migrations.Migration):
    dependencies = [("tradedesk", "0001_first")]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
