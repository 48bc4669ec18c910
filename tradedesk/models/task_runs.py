from django.db import models


class TaskRun(models.Model):
    """When a scheduled task last ended well, and when and how it last failed."""

    name = models.CharField(max_length=64, primary_key=True)
    succeeded_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
