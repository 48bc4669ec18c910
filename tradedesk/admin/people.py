from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from knox.admin import AuthTokenAdmin
from knox.models import AuthToken
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from tradedesk.admin import cells
from tradedesk.admin.audited import Audited
from tradedesk.admin.base import PanelAdmin

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class PersonAdmin(Audited, UserAdmin, PanelAdmin[User]):  # type: ignore[type-arg] # as in PanelAdmin
    form, add_form, change_password_form = UserChangeForm, UserCreationForm, AdminPasswordChangeForm
    list_display = ("username", "email", "is_staff", "is_superuser", "is_active", "last_login")


@admin.register(Group)
class PeopleGroupAdmin(Audited, GroupAdmin, PanelAdmin[Group]):
    pass


admin.site.unregister(AuthToken)


@admin.register(AuthToken)
class ApiTokenAdmin(Audited, AuthTokenAdmin, PanelAdmin[AuthToken]):  # type: ignore[misc]
    when_empty = "Programs sign in to the API with one. Add one for the person in whose name they act."
    list_display = ("user", "token_key", "made", "ends")
    search_fields = ("user__username",)

    def heading(self, row: AuthToken) -> str:
        return f"{row.user}'s API token {row.token_key}…"

    @admin.display(description="Created (UTC)", ordering="created")
    def made(self, row: AuthToken) -> str:
        return cells.moment(row.created)

    @admin.display(description="Expires (UTC)", ordering="expiry")
    def ends(self, row: AuthToken) -> str:
        return cells.moment(row.expiry) if row.expiry else "never"
