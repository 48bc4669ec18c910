"""A package as the next release would be: another version, one more migration."""

import json
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

VERSION, SCHEMA, COMMIT = "0.2.0", "0099_later", "1a7e41a7e41a"
SETTINGS = "tradedesk/settings.py"
MIGRATION = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tradedesk", "{before}")]
    operations = [migrations.AddField("account", "later", models.IntegerField(null=True))]
"""


def later(package: Path, path: Path) -> Path:
    """Return a package made of another one; what it has compiled of the settings is left out."""
    with ZipFile(package) as old, ZipFile(path, "w", ZIP_DEFLATED, compresslevel=1) as new:
        build = json.loads(old.read("build.json"))
        changed = old.read(SETTINGS).decode().replace('VERSION = "0.1.0"', f'VERSION = "{VERSION}"')
        assert VERSION in changed
        for entry in old.infolist():
            if entry.filename not in ("build.json", SETTINGS) and "/settings.cpython" not in entry.filename:
                new.writestr(entry.filename, old.read(entry))
        new.writestr(SETTINGS, changed)
        new.writestr(f"tradedesk/migrations/{SCHEMA}.py", MIGRATION.format(before=build["schema"]))
        new.writestr("build.json", json.dumps({**build, "commit": COMMIT, "schema": SCHEMA}))
    return path
