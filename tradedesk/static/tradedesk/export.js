// Tells how far a download of rows is. Without it the link is a plain download.
(() => {
  "use strict";
  const LINE_BREAK = 10;

  async function fetchRows(link, said) {
    const answer = await fetch(link.href, { credentials: "same-origin" });
    if (!answer.ok || !answer.headers.get("X-Rows")) throw new Error(String(answer.status));
    const total = answer.headers.get("X-Rows"), parts = [], reader = answer.body.getReader();
    let lines = -1;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      for (const byte of value) lines += byte === LINE_BREAK;
      said.textContent = `${Math.max(lines, 0).toLocaleString("en-US")} of ${total} rows`;
    }
    const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition"))[1];
    const file = document.createElement("a");
    file.href = URL.createObjectURL(new Blob(parts, { type: "text/csv" }));
    file.download = name;
    file.click();
    setTimeout(() => URL.revokeObjectURL(file.href), 60000);
    said.textContent = `${Math.max(lines, 0).toLocaleString("en-US")} rows in ${name}`;
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-export]");
    if (!link || link.ariaBusy === "true") return;
    event.preventDefault();
    const said = link.parentElement.querySelector("[role=status]");
    link.ariaBusy = "true";
    said.textContent = "Asking for the rows…";
    fetchRows(link, said)
      .catch((error) => { said.textContent = `The file did not come (${error.message}). Narrow the list and try again.`; })
      .finally(() => { link.ariaBusy = "false"; });
  });
})();
