from django.db import models

CELLS = 36


class ConnectionLog(models.Model):
    """What was found of one thing that the desk needs, once a minute."""

    name = models.CharField(max_length=100, primary_key=True)
    place = models.PositiveSmallIntegerField(help_text="Its place on the page.")
    word = models.CharField(max_length=40)
    tone = models.CharField(max_length=8, help_text="good, quiet or warn.")
    note = models.CharField(max_length=300, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True, help_text="The last sign of life.")
    looked_at = models.DateTimeField()
    error = models.TextField(blank=True, help_text="The last one, redacted.")
    error_at = models.DateTimeField(null=True, blank=True)
    cells = models.CharField(max_length=CELLS, help_text="The last looks, the newest last: + well, ! not.")

    class Meta:
        ordering = ["place", "name"]

    def __str__(self) -> str:
        return self.name
