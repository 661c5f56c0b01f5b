// The rows of the sheet as elements, and all that follows from them: notes, pressed buttons, scores, what is not saved.
function make(tag, given = {}, ...children) {
  const node = document.createElement(tag), { data = {}, ...rest } = given;
  Object.assign(node.dataset, data);
  for (const [name, value] of Object.entries(rest)) name in node ? (node[name] = value) : node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

function draw() {
  const body = one("tbody.rows");
  if (!sheet || !body) return;
  body.replaceChildren(...sheet.rows.map(rowOf));
  const comment = one("textarea.remark");
  if (comment && comment.value !== sheet.comment) comment.value = sheet.comment;
  refresh();
}

function rowOf(row, place) {
  const { axes, tags } = words(), label = `criterion ${place + 1}`, key = (part) => ({ data: { key: `${row.key} ${part}`, field: part } });
  const text = make("textarea", { ...key("text"), rows: 2, value: row.criterion, ariaLabel: `Text of ${label}`, dir: "auto", disabled: row.isGone });
  const points = make("input", { ...key("points"), type: "number", min: -10, max: 10, value: row.points, ariaLabel: `Points of ${label}`, disabled: row.isGone });
  const axis = make("select", { ...key("axis"), ariaLabel: `Axis of ${label}`, disabled: row.isGone }, ...Object.entries(axes).map(([value, shown]) => make("option", { value, textContent: shown })));
  axis.value = row.axis;
  const boxes = Object.entries(tags).map(([tag, meaning]) => make("label", { title: meaning }, make("input", { type: "checkbox", data: { key: `${row.key} tag ${tag}`, tag }, checked: row.tags.includes(tag) }), ` ${tag}`));
  const tagged = make("details", { className: "tags" }, make("summary", { data: { key: `${row.key} tags` } }), make("div", { className: "boxes", role: "group", ariaLabel: `Tags of ${label}` }, ...boxes));
  const verdicts = row.verdicts.map((_, response) => make("td", { className: "verdict", data: { label: `Response ${response + 1}` } },
    make("div", { role: "group", ariaLabel: `Response ${response + 1}, ${label}` }, ...["met", "unmet"].map((verdict) =>
      make("button", { type: "button", data: { do: "verdict", key: `${row.key} ${verdict} ${response}`, response, verdict }, textContent: verdict === "met" ? "Met" : "Not met" })))));
  const cell = (className, name, ...children) => make("td", { className, data: { label: name } }, ...children);
  const step = (by, shown, name) => make("button", { type: "button", data: { do: "step", by, key: `${row.key} step ${by}` }, textContent: shown, ariaLabel: `${name} for ${label}`, disabled: row.isGone });
  return make("tr", { tabIndex: place ? -1 : 0, data: { key: row.key } },
    make("th", { scope: "row", ariaLabel: label, textContent: place + 1 }),
    cell("text", "Criterion", text, make("p", { className: "quiet note" })),
    cell("points", "Points", make("div", { className: "stepper" }, step(-1, "−", "One point less"), points, step(1, "+", "One point more"))),
    cell("kind", "Axis and tags", axis, tagged), ...verdicts,
    cell("gone", "", make("button", { type: "button", className: "plain", data: { do: "remove", key: `${row.key} remove` } })));
}

function judgesOf(row) { // who gave the verdicts, with the responses where not all are one's
  const names = [...new Set(row.judged_by.filter(Boolean))], places = (name) => row.judged_by.flatMap((by, place) => (by === name ? [place + 1] : []));
  const isOne = names.length === 1 && row.judged_by.every(Boolean);
  return names.length ? `Verdicts: ${names.map((name) => (isOne ? name : `${name} (${places(name).join(", ")})`)).join(", ")}.` : "";
}

function noteOf(row) {
  const saved = sheet.said.criteria.find(({ key }) => key === row.key);
  const parts = [row.principle_id ? `From ${row.principle_id}.` : "", judgesOf(row)];
  if (row.isGone) parts.unshift("Deleted once you save.");
  else if (!saved) parts.unshift("New.");
  else if (plain(saved.criterion) !== plain(row.criterion)) parts.unshift(`Was: “${saved.criterion}”`);
  return parts.filter(Boolean).join(" ");
}

function refresh() { // all that follows from the rows, without touching what somebody types in
  for (const line of all("tbody.rows > tr")) {
    const row = sheet.row(line.dataset.key), field = (name) => line.querySelector(`[data-field="${name}"]`);
    line.className = row.isGone ? "is-gone" : row.points < 0 ? "penalty" : "";
    if (document.activeElement !== field("points")) field("points").value = row.points;
    line.querySelector(".note").textContent = noteOf(row);
    line.querySelector("summary").textContent = row.tags.join(", ") || "no tags";
    line.querySelector("[data-do=remove]").textContent = row.isGone ? "Restore" : "Delete";
    for (const button of line.querySelectorAll("[data-do=verdict]")) {
      const { response, verdict } = button.dataset, isWanted = (verdict === "met") === (row.points > 0);
      button.ariaPressed = String(row.verdicts[response] === verdict);
      button.className = isWanted ? "wanted" : "unwanted";
      button.disabled = row.isGone;
    }
  }
  const isDirty = sheet.isDirty(), scores = isDirty ? sheet.scores() : sheet.said.scores, ahead = isDirty ? margin(scores, sheet.said.preferred) : sheet.said.margin;
  scores.forEach((found, place) => all(`[data-score="${place}"]`).forEach((node) => { node.textContent = range(found); }));
  all("[data-margin]").forEach((node) => {
    node.textContent = ahead ? range(ahead, signed) : "none";
    node.className = !ahead ? "" : ahead.low > 0 ? "good" : ahead.high <= 0 ? "bad" : "open";
  });
  all("th[data-response]").forEach((head) => head.classList.toggle("is-active", Number(head.dataset.response) === active));
  const state = one(".unsaved"), open = sheet.open().length, judge = one("[data-do=judge]");
  if (state) state.textContent = isDirty ? "Not saved" : "Saved";
  if (state) state.classList.toggle("open", isDirty);
  if (judge) judge.disabled = !open || judge.ariaBusy === "true";
  const unknown = one(".unjudged");
  if (unknown) unknown.textContent = open ? `${open} without a verdict` : "";
  stored(sessionStorage, draftKey(), isDirty ? sheet.draft() : null);
}
