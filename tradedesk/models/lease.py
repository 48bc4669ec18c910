from django.db import models
from django.db.models import Q


class Lease(models.Model):
    """Which of two regions may send orders, until when by the database's clock. There is one row at most.

    Without a row, without a holder or after its end no region with a name sends anything.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    holder = models.CharField(max_length=64, blank=True)
    since = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_lease")]

    def __str__(self) -> str:
        return self.holder or "nobody"
