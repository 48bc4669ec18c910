// Clock, polling and the dialog after a halt. Every page works without it.
(() => {
  "use strict";
  const VERSION = "X-Panel-Version";
  const BACK_OFF_MS = 60000;
  const GO = { o: "", a: "tradedesk/alert/", p: "tradedesk/botstate/" };
  let version = "", failures = 0, lastGood = 0, lastTry = 0, paused = false, ahead = 0, title = "";

  const all = (selector) => document.querySelectorAll(selector);
  // Before a swap the element of the event is what is replaced, not what asked.
  const isPoll = (event) => (event.detail.requestConfig?.elt ?? event.detail.elt).id === "poll";
  const inZone = (moment, timeZone) => moment.toLocaleTimeString("en-GB", { timeZone });

  function ago(seconds) {
    if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
    if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
    return `${Math.floor(seconds / 86400)} d`;
  }

  function tick() {
    const now = new Date(Date.now() + ahead);
    const good = `${inZone(new Date(lastGood + ahead), "UTC")} UTC`;
    // By the clock, for a page that is tired of asking must grow old too.
    const isStale = document.getElementById("poll") && !paused && Date.now() - lastGood > 3 * everyMs();
    document.body.toggleAttribute("data-stale", Boolean(isStale));
    for (const time of all("[data-last-good]")) time.textContent = good;
    for (const clock of all("[data-clock]")) {
      clock.children[0].firstChild.data = `${inZone(now, "UTC")} `;
      clock.children[1].firstChild.data = `${inZone(now, "America/Chicago")} `;
    }
    for (const time of all("time[data-ago]")) {
      time.dataset.exact ||= time.textContent;
      time.textContent = `${time.dataset.exact} (${ago((now - Date.parse(time.dateTime)) / 1000)} ago)`;
    }
    for (const fresh of all("[data-fresh]")) {
      const said = paused ? "Paused" : `Updated ${ago((Date.now() - lastGood) / 1000)} ago`;
      fresh.textContent = "stale" in document.body.dataset ? `Last good ${good}` : said;
    }
  }

  // What a person is writing is not taken away by a poll; bar and banner are brought up to date all the same.
  const isTyping = () => [...all("#live input")].some((input) => input === document.activeElement || input.value !== input.defaultValue);

  function everyMs() {
    return 1000 * parseInt(document.getElementById("poll").getAttribute("hx-trigger").slice(6), 10);
  }

  function settle() {
    const state = document.getElementById("desk-state");
    if (state) document.title = state.dataset.titlePrefix + title;
    for (const icon of all(".material-symbols-outlined:not([aria-hidden])")) icon.ariaHidden = "true";
    tick();
  }

  document.addEventListener("DOMContentLoaded", () => {
    const clock = document.querySelector("[data-clock]");
    if (clock) ahead = Date.parse(clock.dateTime) - Date.now();
    lastGood = Date.now();
    const state = document.getElementById("desk-state");
    title = state ? document.title.slice(state.dataset.titlePrefix.length) : document.title;
    settle();
    setInterval(tick, 1000);
  });

  document.addEventListener("htmx:configRequest", (event) => {
    if (isPoll(event)) event.detail.headers[VERSION] = version;
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (!isPoll(event)) return;
    const tired = failures >= 3 && Date.now() - lastTry < BACK_OFF_MS;
    if (document.hidden || paused || tired || document.querySelector("dialog[open]")) event.preventDefault();
    else lastTry = Date.now();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!isPoll(event)) return;
    if (isTyping()) event.detail.swapOverride = "none";
    if (event.detail.xhr.getResponseHeader(VERSION)) return;
    // Not the panel's answer: the login page, most likely.
    event.detail.shouldSwap = false;
    if (event.detail.xhr.status === 200) location.reload();
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (!isPoll(event)) return;
    const found = event.detail.xhr.getResponseHeader(VERSION);
    failures = found ? 0 : failures + 1;
    if (found) [version, lastGood] = [isTyping() ? "" : found, Date.now()];
    tick();
  });
  document.addEventListener("htmx:afterSettle", settle);

  // A halt that the script could not bring through goes as a plain form, which shows what came of it.
  for (const trouble of ["htmx:sendError", "htmx:responseError"]) {
    document.addEventListener(trouble, (event) => {
      const form = event.detail.elt.closest("form");
      if (form?.querySelector("button.halt")) {
        form.insertAdjacentHTML("beforeend", '<input type="hidden" name="act" value="halt">');
        form.submit();
      }
    });
  }
  document.addEventListener("htmx:afterSwap", (event) => {
    const dialog = event.detail.target;
    if (dialog.id !== "dialog") return;
    dialog.showModal();
    dialog.addEventListener("close", () => location.reload(), { once: true });
  });
  document.addEventListener("change", (event) => {
    const named = event.target.dataset.button;
    if (named) event.target.form.querySelector("button").textContent = named;
  });
  document.addEventListener("submit", (event) => {
    const dialog = event.target.closest("dialog");
    const form = new FormData(event.target);
    if (dialog && form.get("act") === "halt" && !form.get("reason").trim()) {
      event.preventDefault();
      dialog.close();
    }
  });
  document.addEventListener("click", (event) => {
    const pause = event.target.closest("[data-pause]");
    if (!pause) return;
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause updates";
    tick();
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    const label = button.querySelector("span:last-child");
    try {
      await navigator.clipboard.writeText(source.textContent);
      label.textContent = "Copied";
    } catch {
      // Only a page over https may write there: the person copies what is now selected.
      getSelection().selectAllChildren(source);
      label.textContent = "Selected: press Ctrl-C";
    }
  });

  // A page in tabs shows the one that the address names, or the first that has an error.
  function showTab() {
    const tabs = [...all("[data-tab]")];
    if (!tabs.length) return;
    const faulty = document.querySelector('fieldset:has([aria-invalid="true"])');
    const named = tabs.find((tab) => tab.hash === location.hash);
    const shown = named || tabs.find((tab) => faulty?.classList.contains(`in-${tab.dataset.tab}`)) || tabs[0];
    document.body.dataset.shows = shown.dataset.tab;
    for (const tab of tabs) tab.toggleAttribute("aria-current", tab === shown);
  }
  addEventListener("hashchange", showTab);
  document.addEventListener("DOMContentLoaded", showTab);

  let went = false;
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, textarea, select, [contenteditable]") || event.ctrlKey || event.metaKey) return;
    if (went && event.key in GO) location.assign(document.querySelector(".desk-bar").dataset.home + GO[event.key]);
    went = event.key === "g";
    if (event.key === "j") document.querySelector("a[rel=prev]")?.click();
    if (event.key === "k") document.querySelector("a[rel=next]")?.click();
  });
})();
