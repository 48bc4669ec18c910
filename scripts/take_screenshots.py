"""Takes the pictures in docs/pictures with Chromium from the desk that `make run` started."""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def main() -> None:
    """Sign in to the desk and write panel.png, alert.png and kill-switch.png."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures")
    parser.add_argument("--width", type=int, default=1440)
    parser.add_argument("--dark", action="store_true", help="take them in the dark theme")
    parser.add_argument(
        "--halt", action="store_true", help="halt the desk for the last picture, and release it afterwards"
    )
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    desk = read_desk()
    if chromium is None:
        sys.exit("Chromium is not installed: apt-get install chromium")
    options.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        page = browser.new_page(
            base_url=desk["base_url"],
            viewport={"width": options.width, "height": 900},
            color_scheme="dark" if options.dark else "light",
        )
        sign_in(page, desk)
        take(page, options)
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
    page.click("input[type=submit]")
    page.wait_for_selector(".desk-bar")


def take(page: Page, options: argparse.Namespace) -> None:
    page.screenshot(path=options.out / "panel.png", full_page=True)
    page.goto("/admin/tradedesk/alert/?outcome=filled")
    page.click("#result_list tbody th a")
    page.screenshot(path=options.out / "alert.png", full_page=True)
    page.goto("/admin/kill-switch/")
    if options.halt and page.query_selector(".desk-bar button.halt"):
        page.click(".desk-bar button.halt")
        page.wait_for_selector(".banner")
        page.screenshot(path=options.out / "kill-switch.png", full_page=True)
        page.fill(".card:has(button[value=release]) input[required]", "Pictures taken")
        page.click(".card:has(input[required]) button[value=release]")
        page.wait_for_load_state()
        if page.query_selector(".banner"):
            print("The desk stays halted; see its kill switch.", file=sys.stderr)  # noqa: T201
    else:
        page.screenshot(path=options.out / "kill-switch.png", full_page=True)


if __name__ == "__main__":
    main()
