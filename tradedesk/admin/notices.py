from django.contrib import admin

from tradedesk.admin import words
from tradedesk.admin.base import ReadOnly
from tradedesk.admin.filters import CreatedFilter
from tradedesk.models import Notice


@admin.register(Notice)
class NoticeAdmin(ReadOnly[Notice]):
    when_empty = (
        "Messages to people are listed here once the first was written. "
        "./manage.py notify --test tries where they go."
    )
    list_display = ("created_utc", "kind", "subject", "state", "tries", "last_error")
    list_filter = ("kind", CreatedFilter)
    sortable_by = ()
    ordering = ("-id",)
    fields = ("id", "kind", "subject", "text", "created_both", "state", "tries", "last_error")

    @admin.display(description="Written (UTC)")
    def created_utc(self, notice: Notice) -> str:
        return words.utc(notice.created_at)

    @admin.display(description="Written")
    def created_both(self, notice: Notice) -> str:
        return words.both_zones(notice.created_at)

    @admin.display(description="Sent")
    def state(self, notice: Notice) -> str:
        if notice.sent_at:
            return words.utc(notice.sent_at)
        return "not sent" if notice.given_up_at else "waiting"
