from django.contrib.auth.models import Group, Permission

from tradedesk.services.people.roles import ensure_roles


def rights(name: str) -> set[str]:
    return set(Group.objects.get(name=name).permissions.values_list("codename", flat=True))


def test_roles_are_made_once_and_a_person_may_change_them(db: None) -> None:
    Group.objects.all().delete()
    ensure_roles()
    Group.objects.get(name="viewer").permissions.clear()

    ensure_roles()

    assert rights("viewer") == set()
    assert Group.objects.count() == 3


def test_each_role_may_do_what_it_is_for(db: None) -> None:
    Group.objects.all().delete()
    ensure_roles()

    seeing = {right for right in rights("viewer") if right.startswith("view_")}
    assert rights("viewer") == seeing
    assert "view_alert" in seeing
    assert rights("operator") == seeing | {"change_tradingstate", "change_incident"}
    assert rights("admin") == set(Permission.objects.values_list("codename", flat=True))
    assert "release_tradingstate" in rights("admin")
