from whitenoise.storage import CompressedManifestStaticFilesStorage


class PanelFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc] # whitenoise has no types
    """Static files by names that change with their content, once `collectstatic` has collected them.

    Browsers may then keep them for good. Before, as on one machine, each goes by its plain name.
    """

    def stored_name(self, name: str) -> str:
        stored: str = super().stored_name(name) if self.hashed_files else name
        return stored
