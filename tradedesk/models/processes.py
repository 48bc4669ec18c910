from django.db import models

from tradedesk.models.ids import new_id


class RunningProcess(models.Model):
    """A process of the desk, by its own word: what it runs, and when it last gave a sign of life."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    role = models.CharField(max_length=16)
    version = models.CharField(max_length=32)
    code = models.CharField(max_length=16, help_text="Hash of the source files, as the process loaded them.")
    settings = models.CharField(max_length=16, help_text="Hash of the settings that rule orders.")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "running processes"

    def __str__(self) -> str:
        return f"{self.role} {self.version} {self.code}/{self.settings}"
