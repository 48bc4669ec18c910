"""A fault to plant in infra/, with the finding that must come of it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """A piece of a file, what someone puts in its place, and how the finding begins."""

    file: str
    old: str
    new: str
    finding: str

    def plant(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Return the files with the fault; the piece must stand there exactly once."""
        if texts[self.file].count(self.old) != 1:
            raise ValueError(f"{self.file} does not have it once: {self.old}")
        return {**texts, self.file: texts[self.file].replace(self.old, self.new)}
