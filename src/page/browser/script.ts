/** What pages do better with a script: times of the reader's own, search as you type, copying, and what happens live. */

document.documentElement.classList.add("js");
showTimes(document);
for (const input of document.querySelectorAll<HTMLInputElement>("[data-search]")) searchAsYouType(input);
for (const button of document.querySelectorAll<HTMLButtonElement>("[data-copy]")) copyOn(button);
const live = document.querySelector<HTMLElement>("[data-live]");
const verdict = document.querySelector<HTMLElement>("[data-state]");
if (live !== null) follow(live);
else if (verdict !== null) reloadWhenOther(verdict);

function showTimes(within: ParentNode): void {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  for (const time of within.querySelectorAll("time")) {
    time.title = time.textContent;
    time.textContent = format.format(new Date(time.dateTime));
  }
}

/** Rows that do not have all the words are hidden; without a script, the server leaves them out. */
function searchAsYouType(input: HTMLInputElement): void {
  const of = input.dataset["search"] ?? "";
  const rows = [...document.querySelectorAll<HTMLElement>(`#${of} tbody tr`)];
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const told = document.querySelector<HTMLElement>(`[data-found="${of}"]`);
  // Of a search that the server did there are not all rows here: it goes on doing it. Enter asks it, too.
  if (input.value !== "") return;
  input.addEventListener("input", () => {
    const words = input.value
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== "");
    let shown = 0;
    for (const row of rows) {
      const isShown = words.every((word) => texts.get(row)?.includes(word) === true);
      row.hidden = !isShown;
      if (isShown) shown += 1;
    }
    if (told !== null) told.textContent = words.length === 0 ? "" : `${shown} of ${rows.length}`;
  });
}

function copyOn(button: HTMLButtonElement): void {
  const text = button.parentElement?.querySelector("code")?.textContent ?? "";
  button.addEventListener("click", () => {
    const say = (word: string) => {
      button.textContent = word;
      setTimeout(() => (button.textContent = "Copy"), 2000);
    };
    copy(text).then(
      () => say("Copied"),
      () => say("Select it, and copy it yourself"),
    );
  });
}

/** Browsers give the clipboard to pages that came by HTTPS, or from this machine; the older way is for the others. */
async function copy(text: string): Promise<void> {
  if (window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  if (!isCopied) throw new Error("not copied");
}

/** When the mirror is another than the page says. */
function reloadWhenOther(verdict: HTMLElement): void {
  new EventSource("/api/mirror/events").addEventListener("state", ({ data }) => {
    // Nothing is taken from under somebody's hands.
    const isRead = document.getSelection()?.isCollapsed === false;
    if (data !== verdict.dataset["state"] && !isRead) location.reload();
  });
}

const mostRows = 100;

/** Rows and works come as the server would have put them into the page. */
function follow(state: HTMLElement): void {
  const body = document.querySelector("#requests tbody");
  const works = document.querySelector("[data-works]");
  const events = new EventSource("/api/mirror/events?as=html");
  events.addEventListener("open", () => (state.textContent = "As it happens."));
  events.addEventListener("error", () => (state.textContent = "The server does not answer; trying again."));
  events.addEventListener("request", (event) => {
    const row = partOf(event);
    row.firstElementChild?.classList.add("fresh");
    body?.prepend(row);
    while ((body?.children.length ?? 0) > mostRows) body?.lastElementChild?.remove();
  });
  events.addEventListener("works", (event) => works?.replaceChildren(partOf(event)));
}

function partOf({ data }: MessageEvent<unknown>): DocumentFragment {
  const template = document.createElement("template");
  template.innerHTML = String(data);
  showTimes(template.content);
  return template.content;
}
