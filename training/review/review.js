// The page of the review: sends what was done, shows what comes back, keeps what is not saved, and listens to the keyboard.
// Texts become text nodes and values of fields, never markup. Elements are known again by data-key when the server's HTML is new.
const all = (selector) => [...element.querySelectorAll(selector)], one = (selector) => element.querySelector(selector);
const stored = (storage, key, value) => {
  try {
    if (value === undefined) return JSON.parse(storage.getItem(key));
    if (value === null) storage.removeItem(key); else storage.setItem(key, JSON.stringify(value));
  } catch { /* a browser that keeps nothing: what is unsaved ends with the page */ }
  return null;
};
const LONGEST_WAIT_MS = 20000, NAME = "clinalign-reviewer", PLACE = "clinalign-review-place", KEYS = "clinalign-review-keys";
let sheet = null, pending = null, last = null, waiting = null, count = 0, focused = null, active = 0, visited = [];
const root = () => one(".review");
const words = () => JSON.parse(root().dataset.words);
const draftKey = () => `clinalign-sheet ${sheet.said.kind} ${sheet.said.reviewer} ${sheet.id} ${sheet.version}`;

// one request at a time; of those that come meanwhile the last, made out when its turn comes
function send(build) {
  if (pending) { waiting = build; return; }
  const message = { n: ++count, by: root().dataset.by || stored(localStorage, NAME) || "", ...build() };
  pending = last = { n: count, sent: sheet && copy(sheet.draft()), leaves: message.action === "view" };
  pending.timer = setTimeout(() => { pending = null; tell("No answer from the server. What you edited is kept in this tab; try again."); }, LONGEST_WAIT_MS);
  root().setAttribute("aria-busy", "true");
  trigger("submit", { message });
}

function receive() {
  const { n, sheet: text, conflict, view } = root().dataset, said = text ? JSON.parse(text) : null, answered = last;
  if (Number(n) !== answered?.n) return;
  clearTimeout(answered.timer);
  pending = null;
  root().removeAttribute("aria-busy");
  if (view === "start") return;
  const old = said && sheet && sheet.id === said.record && sheet.said.kind === said.kind ? sheet : null;
  if (old && old.version !== said.version) stored(sessionStorage, draftKey(), null);
  if (!said) sheet = null;
  else if (old && conflict) sheet = Sheet.rebased(said, old.saved().draft(), old.draft());
  else if (old && old.version !== said.version) sheet = Sheet.rebased(said, answered.sent, old.draft());
  else {
    sheet = new Sheet(said);
    const draft = old ? old.draft() : stored(sessionStorage, draftKey());
    if (draft) sheet.restore(draft);
  }
  if (said && visited.at(-1) !== said.record) visited.push(said.record);
  stored(sessionStorage, PLACE, view === "failed" ? null : { view, record: said?.record ?? "" });
  draw();
  const next = waiting;
  waiting = null;
  if (next) send(next);
  else restoreFocus(answered.leaves);
}

function restoreFocus(hasLeft) {
  const isLost = document.activeElement === document.body || element.contains(document.activeElement);
  if (!isLost || !element.checkVisibility()) return;
  const again = focused && all("[data-key]").find((node) => node.dataset.key === focused);
  if (again && !hasLeft) again.focus({ preventScroll: true });
  else if (hasLeft) { one("h2")?.focus({ preventScroll: true }); if (element.getBoundingClientRect().top < 0) element.scrollIntoView(); }
}

function tell(text) { const place = one(".told"); if (place) place.textContent = text; root().removeAttribute("aria-busy"); }

function save(more) {
  const fault = sheet.fault();
  if (fault && more.action !== "defer") { tell(fault.text); focusOn(fault.row, "text"); return; }
  send(() => ({ record: sheet.id, version: sheet.version, criteria: sheet.sent(), comment: sheet.comment, ...more }));
}

function take(rows, isWhole) { // of a whole version what it has left out goes too
  if (isWhole) for (const row of sheet.rows) row.isGone = !rows.some(({ key }) => key === row.key);
  for (const said of rows) {
    const at = sheet.rows.findIndex(({ key }) => key === said.key);
    const taken = said.gone ? { ...sheet.rows[at], isGone: true } : sheet.fresh(said);
    if (at >= 0) sheet.rows[at] = taken; else if (!said.gone) sheet.rows.push(taken);
  }
  draw();
  tell(rows.length === 1 ? "Taken into the table below." : `${rows.length} rows taken into the table below.`);
}

function judge(button) {
  const rows = sheet.open().map(({ key, criterion, points, axis, tags, principle_id }) => ({ key, criterion: plain(criterion), points, axis, tags, principle_id, verdicts: [], judged_by: [] }));
  button.ariaBusy = "true";
  tell("The judge is at work. You can go on meanwhile.");
  refresh();
  trigger("apply", { message: { n: ++count, by: root().dataset.by, action: "judge", record: sheet.id, criteria: rows } });
}

function judged() {
  const text = document.querySelector(".review-judged [data-judged]")?.dataset.judged, found = text && JSON.parse(text), button = one("[data-do=judge]");
  if (button) button.ariaBusy = "false";
  if (!found || !sheet || found.record !== sheet.id) return;
  let done = 0;
  for (const { key, criterion, verdicts } of found.rows ?? []) {
    const row = sheet.row(key);
    if (!row || plain(row.criterion) !== criterion) continue; // re-worded meanwhile
    sheet.fill(row, verdicts, found.judge);
    done += 1;
  }
  tell(found.failed ?? `The judge gave verdicts on ${done === 1 ? "1 criterion" : `${done} criteria`}. Check them, then save.`);
  refresh();
}

const lineOf = (node) => node?.closest?.("tbody.rows > tr");
const rowAt = (node) => sheet?.row(lineOf(node)?.dataset.key);
function focusOn(row, part) { const key = part ? `${row.key} ${part}` : row.key; all("[data-key]").find((node) => node.dataset.key === key)?.focus(); }
function changed(row) { draw(); if (row) focusOn(row); }
function go(step) {
  if (step > 0) { send(() => ({ action: "view", view: "record", after: sheet?.id ?? "" })); return; }
  visited.pop();
  const record = visited.pop();
  if (record) send(() => ({ action: "view", view: "record", record })); else { if (sheet) visited = [sheet.id]; tell("There is no record before this one."); }
}

const DO = {
  name: () => { const by = one("input.name").value.trim(); stored(localStorage, NAME, by); root().dataset.by = ""; send(() => ({ action: "view", view: "record", by })); },
  rename: () => { stored(localStorage, NAME, null); send(() => ({ action: "view", view: "name", by: "" })); },
  view: ({ view, record = "", offset = 0 }) => send(() => ({ action: "view", view, record, offset: Number(offset), words: one("input.words")?.value ?? "", state: one("select.state")?.value ?? "" })),
  next: () => go(1), previous: () => go(-1),
  save: () => save({ action: "save" }),
  decide: ({ decision }) => save({ action: sheet.said.kind === "dispute" ? "adjudicate" : "decide", decision }),
  add: (_, button) => { const row = sheet.add(rowAt(button)?.key ?? null); draw(); focusOn(row, "text"); },
  remove: (_, button) => { const row = rowAt(button), next = sheet.rows[sheet.rows.indexOf(row) + 1] ?? row; sheet.remove(row); changed(sheet.row(row.key) ?? sheet.row(next.key)); },
  step: ({ by }, button) => { const row = rowAt(button); sheet.step(row, Number(by)); refresh(); },
  verdict: ({ response, verdict }, button) => { active = Number(response); sheet.judge(rowAt(button), active, verdict); refresh(); },
  judge: (_, button) => judge(button),
  take: ({ take: text, whole }) => take(JSON.parse(text), Boolean(whole)),
  help: () => one("dialog").showModal(), close: () => one("dialog").close(),
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button && !button.disabled && button.tagName === "BUTTON") DO[button.dataset.do]({ ...button.dataset }, button);
});
element.addEventListener("input", ({ target }) => {
  const row = rowAt(target), { field, tag } = target.dataset;
  if (target.matches("textarea.remark")) sheet.comment = target.value;
  else if (tag) row.tags = target.checked ? [...row.tags, tag] : row.tags.filter((other) => other !== tag);
  else if (field === "text") sheet.reword(row, target.value);
  else if (field === "points") sheet.weigh(row, Number(target.value));
  else if (field === "axis") row.axis = target.value;
  else return;
  refresh();
});
element.addEventListener("change", ({ target }) => {
  if (target.matches("select.state")) DO.view({ view: "list" });
  if (target.matches("input.keys")) stored(localStorage, KEYS, target.checked ? null : "off");
});
element.addEventListener("focusin", ({ target }) => {
  focused = target.dataset.key ?? null;
  const line = lineOf(target);
  if (line) all("tbody.rows > tr").forEach((other) => { other.tabIndex = other === line ? 0 : -1; });
});

const isTyping = (node) => node.matches?.("input:not([type=checkbox]), textarea, select, [contenteditable]");
function onRow(does) { return (event) => { const row = rowAt(event.target); if (row) does(row, event); return Boolean(row); }; }
const KEY = {
  j: () => go(1), k: () => go(-1), "?": () => DO.help(), 1: () => { active = 0; refresh(); }, 2: () => { active = 1; refresh(); },
  ArrowDown: (event) => walk(event, 1), ArrowUp: (event) => walk(event, -1),
  e: onRow((row) => focusOn(row, "text")), a: (event) => DO.add(null, event.target), Delete: (event) => rowAt(event.target) && DO.remove(null, event.target),
  "+": onRow((row) => { sheet.step(row, 1); refresh(); }), "-": onRow((row) => { sheet.step(row, -1); refresh(); }),
  m: onRow((row) => { sheet.judge(row, active, "met"); refresh(); }), u: onRow((row) => { sheet.judge(row, active, "unmet"); refresh(); }),
  A: () => DO.decide({ decision: "accept" }), R: () => DO.decide({ decision: "reject" }), D: () => DO.decide({ decision: "defer" }),
};
KEY["="] = KEY["+"];
const WITHOUT_SHEET = new Set(["j", "k", "?"]);

function walk(event, by) {
  const lines = all("tbody.rows > tr"), at = lines.indexOf(lineOf(event.target));
  (at < 0 ? lines[by > 0 ? 0 : lines.length - 1] : lines[at + by] ?? lines[at])?.focus();
}

function pressed(event) {
  const { key, target } = event;
  if (!element.checkVisibility() || !root()?.dataset.by) return;
  if ((event.ctrlKey || event.metaKey) && key.toLowerCase() === "s" && sheet) { event.preventDefault(); save({ action: "save" }); return; }
  if (key === "Escape" && isTyping(target) && rowAt(target)) { focusOn(rowAt(target)); return; }
  if (key === "Enter" && target.matches?.("input.words")) { DO.view({ view: "list" }); return; }
  const isElsewhere = target !== document.body && !element.contains(target);
  if (isTyping(target) || isElsewhere || event.ctrlKey || event.metaKey || event.altKey || one("dialog[open]") || stored(localStorage, KEYS) === "off") return;
  const name = key === "Enter" && target.matches?.("tr") ? "e" : key;
  if (!Object.hasOwn(KEY, name) || (!sheet && !WITHOUT_SHEET.has(name))) return;
  event.preventDefault();
  KEY[name](event);
}
document.addEventListener("keydown", (event) => { if (element.isConnected) pressed(event); });
element.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target.matches("input.name")) DO.name(); });

watch("value", receive);
new MutationObserver(judged).observe(document.querySelector(".review-judged"), { attributes: true, childList: true, subtree: true });
const place = stored(sessionStorage, PLACE);
send(() => ({ action: "view", view: place?.view ?? "record", record: place?.record ?? "" }));
