from typing import Any

from django.contrib.auth.models import Group, Permission

VIEWER, OPERATOR, ADMIN = "viewer", "operator", "admin"
OPERATES = ("change_tradingstate", "change_incident")


def ensure_roles(**_: Any) -> None:
    """Make the groups viewer, operator and admin where they are missing; a person may change them later.

    A viewer sees every page of the desk. An operator also flattens, lets exits through and settles incidents.
    An admin may do everything. Halting is for everyone who is signed in. Meant to follow each migration.
    """
    missing = {VIEWER, OPERATOR, ADMIN} - set(Group.objects.values_list("name", flat=True))
    if not missing:
        return
    every = Permission.objects.all()
    seeing = every.filter(content_type__app_label="tradedesk", codename__startswith="view_")
    operating = every.filter(content_type__app_label="tradedesk", codename__in=OPERATES)
    rights = {VIEWER: seeing, OPERATOR: seeing | operating, ADMIN: every}
    for name in sorted(missing):
        Group.objects.create(name=name).permissions.set(rights[name])
