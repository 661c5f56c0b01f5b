// Body of gr.HTML's js_on_load: sends decisions on edits, opens an edit's reason from its text, and keeps what a person has
// opened, typed, focused and scrolled when the HTML is rendered anew. Elements are known again by data-key. Texts from the page
// are only read, never made into markup.
const opened = new Map(), typed = new Map(), scrolled = new Map();
let focused = null, turn = null, place = null;

const all = (selector) => [...element.querySelectorAll(selector)];
const keyed = (key) => all("[data-key]").find((node) => node.dataset.key === key);
const keyOf = (details) => details.dataset.key ?? `${turn} ${details.querySelector("summary")?.textContent}`;
const scroller = () => { // beside the chat the report scrolls by itself, below it with the page
  const pane = element.closest(".changes-pane");
  return pane && pane.scrollHeight > pane.clientHeight ? pane : window;
};
const atEnd = (node) => node.scrollHeight - node.scrollTop - node.clientHeight < 8;

function decide(button) {
  const report = button.closest(".report"), { edit, decision } = button.dataset;
  const edits = edit === "all" ? [...Array(Number(report.dataset.edits)).keys()] : [Number(edit)];
  const fields = edits.map((number) => report.querySelector(`textarea[data-comment="${number}"]`));
  const comments = fields.map((field) => field?.value.trim() ?? "");
  const isCommentNew = fields.some((field) => field && field.value.trim() !== field.defaultValue.trim());
  if (button.ariaPressed === "true" && !isCommentNew) return;
  // What comes above will change its height: the button, or the edit in the text where it is pressed there, stays where it is.
  const stay = button.closest("[popover]") ? all(".diff button").find((number) => number.popoverTargetElement === button.closest("[popover]")) : button;
  place = stay && { key: stay.dataset.key, top: stay.getBoundingClientRect().top };
  trigger("submit", { turn: report.dataset.turnId, edits, decision, comments });
}

function openReason(changed) {
  if (!getSelection().isCollapsed) return; // somebody is marking text, to copy it
  const report = changed.closest(".report"), id = `${report.dataset.turn}-why-${changed.dataset.edit}`;
  const source = all(".diff button").find((button) => button.getAttribute("popovertarget") === id);
  const reason = source?.popoverTargetElement;
  if (reason && !reason.matches(":popover-open")) reason.showPopover({ source });
}

function restore() {
  const shown = element.querySelector("[data-turn]")?.dataset.turn ?? null;
  if (shown !== turn) all("[popover]").filter((node) => node.matches(":popover-open")).forEach((node) => node.hidePopover());
  turn = shown;
  for (const details of all("details")) if (opened.has(keyOf(details))) details.open = opened.get(keyOf(details));
  for (const field of all("textarea[data-key]")) field.value = typed.get(field.dataset.key) ?? field.defaultValue;
  for (const node of all("[data-follow]")) {
    const kept = scrolled.get(node.dataset.key);
    node.scrollTop = kept === undefined ? node.scrollHeight : kept;
  }
  const active = document.activeElement, lost = active === document.body || element.contains(active);
  if (focused && lost && active?.dataset.key !== focused) keyed(focused)?.focus({ preventScroll: true });
  const stay = place && keyed(place.key);
  if (stay) scroller().scrollBy(0, stay.getBoundingClientRect().top - place.top);
}

element.addEventListener("click", (event) => {
  const summary = event.target.closest("summary"), button = event.target.closest("button");
  if (summary) opened.set(keyOf(summary.parentElement), !summary.parentElement.open);
  else if (button?.dataset.decision) decide(button);
  else if (!button && event.target.closest(".diff [data-edit]")) openReason(event.target.closest("[data-edit]"));
});
element.addEventListener("input", (event) => {
  if (event.target.dataset.comment !== undefined) typed.set(event.target.dataset.key, event.target.value);
});
element.addEventListener("focusin", (event) => { focused = event.target.dataset.key ?? null; });
for (const kind of ["wheel", "touchmove", "keydown", "pointerdown"]) document.addEventListener(kind, () => { place = null; }, { capture: true, passive: true });
document.addEventListener("pointerdown", (event) => { if (!event.target.closest("[data-key]")) focused = null; }, true);
document.addEventListener("focusin", (event) => { if (!element.contains(event.target)) focused = null; });
element.addEventListener("scroll", (event) => {
  const { key, follow } = event.target.dataset ?? {};
  if (follow === undefined) return;
  if (atEnd(event.target)) scrolled.delete(key);
  else scrolled.set(key, event.target.scrollTop);
}, true);
// The chat's log shows the last question and how its answer begins, which in an emergency is what counts, until somebody scrolls.
const log = document.querySelector(".chat-log [role=log]");
let questions = 0, isHeld = true;

function holdQuestion() {
  const asked = [...log.querySelectorAll('[data-testid="user"]')];
  if (asked.length !== questions) { questions = asked.length; isHeld = true; }
  if (asked.length && isHeld) log.scrollTop += asked.at(-1).getBoundingClientRect().top - log.getBoundingClientRect().top - 16;
}

if (log) {
  new MutationObserver(holdQuestion).observe(log, { childList: true, subtree: true, characterData: true });
  for (const kind of ["wheel", "touchmove", "keydown", "pointerdown"]) log.addEventListener(kind, () => { isHeld = false; }, { passive: true });
}
watch("value", () => {
  restore();
  log?.setAttribute("aria-live", element.querySelector(".stages") ? "off" : "polite"); // a draft is not read out word by word
});
restore();
