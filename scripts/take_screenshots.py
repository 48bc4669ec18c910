"""Takes the pictures in docs/pictures with Chromium from the desk that `make run` started."""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
ALERT = "the newest alert that filled"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# Name, address, width, theme.
PICTURES: tuple[tuple[str, str, int, Literal["light", "dark"]], ...] = (
    ("panel.png", "/admin/", 1440, "light"),
    ("panel-dark.png", "/admin/", 1440, "dark"),
    ("panel-phone.png", "/admin/", 390, "light"),
    ("alert.png", ALERT, 1440, "light"),
    ("kill-switch.png", "/admin/kill-switch/", 1440, "light"),
)


def main() -> None:
    """Sign in to the desk and write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    desk = read_desk()
    if chromium is None:
        sys.exit("Chromium is not installed: apt-get install chromium")
    options.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        for name, path, width, theme in PICTURES:
            page = browser.new_page(
                base_url=desk["base_url"], viewport={"width": width, "height": 900}, color_scheme=theme
            )
            sign_in(page, desk)
            take(page, path, options.out / name)
            page.close()
        browser.close()


def read_desk() -> dict[str, str]:
    """Return what `make run` wrote about the desk, or say that none runs here."""
    path = Path(os.environ.get("DESK_VAR", ROOT / "var")) / "desk.json"
    if not path.exists():
        sys.exit(f"{path} is missing: start the desk with make run")
    content: dict[str, str] = json.loads(path.read_text())
    return content


def sign_in(page: Page, desk: dict[str, str]) -> None:
    page.goto("/admin/login/")
    page.fill("#id_username", desk["admin_user"])
    page.fill("#id_password", desk["admin_password"])
    page.press("#id_password", "Enter")
    page.wait_for_selector(".desk-bar")


def take(page: Page, path: str, file: Path) -> None:
    """Take a page in its whole length, on a phone what its window shows."""
    page.goto("/admin/tradedesk/alert/?outcome=filled" if path == ALERT else path)
    if path == ALERT:
        page.click("#result_list tbody th a")
    page.wait_for_load_state("networkidle")
    size = page.viewport_size or {"width": 390}
    is_phone = size["width"] < 768
    page.screenshot(path=file, full_page=not is_phone)


if __name__ == "__main__":
    main()
