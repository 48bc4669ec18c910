import pytest
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

from tests.tradedesk.additive import findings

LAST_BEFORE_THE_FIRST_RELEASE = "0016_reasons"

LOADER = MigrationLoader(None)
NEW = sorted(
    name
    for app, name in LOADER.disk_migrations
    if app == "tradedesk" and name > LAST_BEFORE_THE_FIRST_RELEASE
)
STATE = LOADER.project_state([("tradedesk", LAST_BEFORE_THE_FIRST_RELEASE)])

ADDITIVE = {
    "nullable_field": migrations.AddField("bot", "x", models.IntegerField(null=True)),
    "field_with_a_default_of_the_database": migrations.AddField(
        "bot", "x", models.IntegerField(db_default=0)
    ),
    "model": migrations.CreateModel("X", [("id", models.AutoField(primary_key=True))]),
    "index": migrations.AddIndex("bot", models.Index(fields=["size"], name="bot_size")),
    "more_choices": migrations.AlterField(
        "runningprocess", "role", models.CharField(max_length=16, choices=[("web", "Web")])
    ),
    "longer_text": migrations.AlterField("runningprocess", "role", models.CharField(max_length=32)),
}
NOT_ADDITIVE = {
    "field_that_old_code_leaves_out": (
        migrations.AddField("bot", "x", models.IntegerField(default=0)),
        "old code inserts no value: null or db_default",
    ),
    "shorter_text": (
        migrations.AlterField("runningprocess", "role", models.CharField(max_length=8)),
        "old code may insert longer values",
    ),
    "column_that_refuses_null": (
        migrations.AlterField("account", "armed_until", models.DateTimeField()),
        "old code may insert null",
    ),
    "unique_column": (
        migrations.AlterField("runningprocess", "role", models.CharField(max_length=16, unique=True)),
        "another column: ",
    ),
    "other_type": (
        migrations.AlterField("bot", "size", models.CharField(max_length=8)),
        "another column: ",
    ),
    "field_removed": (migrations.RemoveField("bot", "size"), "not known to be additive"),
    "field_renamed": (migrations.RenameField("bot", "size", "lots"), "not known to be additive"),
    "model_removed": (migrations.DeleteModel("RunningProcess"), "not known to be additive"),
    "code": (migrations.RunPython(migrations.RunPython.noop), "not known to be additive"),
}


def migration(*steps: Operation, **marks: str) -> migrations.Migration:
    """Return a migration after the last one before the first release."""
    kind = type("Migration", (migrations.Migration,), {"operations": list(steps), **marks})
    made: migrations.Migration = kind("0099_later", "tradedesk")
    return made


def test_code_before_each_new_migration_runs_on_the_schema_after_it() -> None:
    found = [
        fault
        for name in NEW
        for fault in findings(
            LOADER.disk_migrations["tradedesk", name],
            LOADER.project_state([("tradedesk", name)], at_end=False),
        )
    ]

    assert found == []


@pytest.mark.parametrize("operation", ADDITIVE.values(), ids=ADDITIVE)
def test_migration_that_only_adds_passes(operation: Operation) -> None:
    assert findings(migration(operation), STATE) == []


@pytest.mark.parametrize(("operation", "why"), NOT_ADDITIVE.values(), ids=NOT_ADDITIVE)
def test_migration_that_old_code_may_not_bear_is_found(operation: Operation, why: str) -> None:
    (found,) = findings(migration(operation), STATE)

    assert found.startswith("0099_later: ")
    assert why in found


def test_migration_that_a_person_looked_at_passes() -> None:
    removal = migrations.RemoveField("bot", "size")

    assert findings(migration(removal, old_code_runs="Not read since 0.2.0."), STATE) == []


def test_field_that_an_earlier_step_adds_may_be_altered() -> None:
    steps = [
        migrations.AddField("bot", "x", models.CharField(max_length=8, null=True)),
        migrations.AlterField("bot", "x", models.CharField(max_length=9, null=True)),
    ]

    assert findings(migration(*steps), STATE) == []
