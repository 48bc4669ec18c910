from datetime import date, time

from django.db import migrations

WEEK = """Sun 17:00 - Mon 16:00
Mon 17:00 - Tue 16:00
Tue 17:00 - Wed 16:00
Wed 17:00 - Thu 16:00
Thu 17:00 - Fri 16:00
"""
EQUITY, COMMODITY = "CME equity index", "NYMEX and COMEX"
EXCHANGES = {EQUITY: ["CME_MINI", "CBOT_MINI"], COMMODITY: ["NYMEX", "COMEX"]}
SOURCE = "CME Group's holiday hours of earlier years; compare with this year's announcement"

# Early close in Chicago of the equity index and of energy and metals; None: no session on that trade date.
NOON = (time(12, 0), time(13, 30))
AFTER_THANKSGIVING = (time(12, 15), time(13, 45))
CHRISTMAS_EVE = (time(12, 15), time(12, 45))
CLOSED = (None, None)
HOLIDAYS = [
    (date(2026, 1, 1), "New Year's Day", CLOSED),
    (date(2026, 1, 19), "Martin Luther King Jr. Day", NOON),
    (date(2026, 2, 16), "Presidents' Day", NOON),
    (date(2026, 4, 3), "Good Friday, with the jobs report", (time(8, 15), None)),
    (date(2026, 5, 25), "Memorial Day", NOON),
    (date(2026, 6, 19), "Juneteenth", NOON),
    (date(2026, 7, 3), "Independence Day, observed", NOON),
    (date(2026, 9, 7), "Labor Day", NOON),
    (date(2026, 11, 26), "Thanksgiving Day", NOON),
    (date(2026, 11, 27), "Day after Thanksgiving", AFTER_THANKSGIVING),
    (date(2026, 12, 24), "Christmas Eve", CHRISTMAS_EVE),
    (date(2026, 12, 25), "Christmas Day", CLOSED),
    (date(2027, 1, 1), "New Year's Day", CLOSED),
    (date(2027, 1, 18), "Martin Luther King Jr. Day", NOON),
    (date(2027, 2, 15), "Presidents' Day", NOON),
    (date(2027, 3, 26), "Good Friday", CLOSED),
    (date(2027, 5, 31), "Memorial Day", NOON),
    (date(2027, 6, 18), "Juneteenth, observed", NOON),
    (date(2027, 7, 5), "Independence Day, observed", NOON),
    (date(2027, 9, 6), "Labor Day", NOON),
    (date(2027, 11, 25), "Thanksgiving Day", NOON),
    (date(2027, 11, 26), "Day after Thanksgiving", AFTER_THANKSGIVING),
    (date(2027, 12, 24), "Christmas Day, observed", CLOSED),
]


def add(apps, schema_editor):
    """Write down the regular week and the holidays. None is confirmed: that is a person's word."""
    SessionRule, Holiday = (apps.get_model("tradedesk", name) for name in ("SessionRule", "Holiday"))
    for index, (name, exchanges) in enumerate(EXCHANGES.items()):
        rule = SessionRule.objects.create(name=name, week=WEEK)
        apps.get_model("tradedesk", "Instrument").objects.filter(exchange__in=exchanges).update(
            session_rule=rule
        )
        Holiday.objects.bulk_create(
            Holiday(rule=rule, date=day, name=holiday, closes_at=closes[index], source=SOURCE)
            for day, holiday, closes in HOLIDAYS
        )


class Migration(migrations.Migration):
    dependencies = [("tradedesk", "0006_calendar")]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
