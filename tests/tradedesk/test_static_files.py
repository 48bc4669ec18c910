import json
from pathlib import Path

from tradedesk.files import PanelFiles


def test_file_goes_by_its_plain_name_until_files_were_collected(tmp_path: Path) -> None:
    files = PanelFiles(location=tmp_path, base_url="/static/")

    assert files.url("tradedesk/panel.css") == "/static/tradedesk/panel.css"


def test_collected_file_goes_by_a_name_made_of_its_content(tmp_path: Path) -> None:
    paths = {"tradedesk/panel.css": "tradedesk/panel.0123456789ab.css"}
    (tmp_path / "staticfiles.json").write_text(json.dumps({"version": "1.1", "paths": paths, "hash": ""}))
    files = PanelFiles(location=tmp_path, base_url="/static/")

    assert files.url("tradedesk/panel.css") == "/static/tradedesk/panel.0123456789ab.css"
