from typing import Any

from django import forms
from django.db.models import Model, QuerySet
from django.db.models.deletion import PROTECT
from django.http import HttpRequest

from tradedesk import wiring
from tradedesk.services.alerts.callers import address_of
from tradedesk.services.people.audit import note

SECRET_FIELDS = {"password", "password1", "password2", "usable_password"}


def write_audit(
    request: HttpRequest, action: str, subject: str, detail: dict[str, Any], reason: str = ""
) -> None:
    """Write down what the signed-in person did, from which address."""
    note(
        request.user.get_username(),
        action,
        subject,
        detail,
        reason,
        address_of(request),
        wiring.desk().now(),
    )


class Audited:
    """For settings: each creation, change and deletion leaves an entry in the audit log.

    A row that history refers to cannot be deleted; the page says so in one sentence, and does not list a
    million rows for it. `goes_along` names what is deleted with a row without being asked about.
    """

    goes_along: frozenset[str] = frozenset()

    def save_model(self, request: HttpRequest, obj: Any, form: "forms.ModelForm[Any]", change: bool) -> None:
        super().save_model(request, obj, form, change)  # type: ignore[misc] # of ModelAdmin
        changes = _changes(form, change)
        if changes or not change:
            action = "change" if change else "create"
            write_audit(request, action, subject_of(obj), changes, self.reason_of(request))

    def reason_of(self, request: HttpRequest) -> str:
        """Return why a person changes a setting, as they gave it."""
        return ""

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        subject = subject_of(obj)
        super().delete_model(request, obj)  # type: ignore[misc]
        write_audit(request, "delete", subject, {})

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            self.delete_model(request, row)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, set[str], list[str]]:
        kept = [sentence for row in objs if (sentence := why_it_stays(row))]
        if kept:
            return [], {}, set(), kept
        listed, counts, lacking, protected = super().get_deleted_objects(objs, request)  # type: ignore[misc]
        return listed, counts, lacking - self.goes_along, protected


def why_it_stays(row: Model) -> str:
    """Return why a row cannot be deleted, in one sentence, or nothing when it can."""
    users = [
        str(relation.related_model._meta.verbose_name_plural)
        for relation in row._meta.related_objects
        if getattr(relation, "on_delete", None) is PROTECT
        and relation.related_model._base_manager.filter(**{relation.field.name: row}).exists()
    ]
    if not users:
        return ""
    advice = "Switch it off instead." if hasattr(row, "enabled") else "It stays."
    return f"{row} has {', '.join(users)}, and history is kept for good. {advice}"


def subject_of(row: Model) -> str:
    """Return what the audit log calls a row."""
    return f"{row._meta.verbose_name} {row}"[:120]


def _changes(form: "forms.ModelForm[Any]", change: bool) -> dict[str, Any]:
    given = [name for name, value in form.cleaned_data.items() if value is not None]
    names = form.changed_data if change else given
    return {
        name: [_plain(form.initial.get(name)) if change else None, _plain(form.cleaned_data.get(name))]
        for name in names
        if name in form.fields and name not in SECRET_FIELDS
    }


def _plain(value: Any) -> Any:
    """Return a form value as JSON can hold it."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, QuerySet | list | tuple | set):
        return [str(item) for item in value]
    return str(value)
