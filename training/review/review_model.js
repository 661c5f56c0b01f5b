// What a sheet is while somebody edits it: rows, verdicts, the score they add up to, and what is not saved yet. No element of the
// page is touched here. The arithmetic is agent/rubric.py's; after a save the server's own numbers are shown.
const copy = (value) => JSON.parse(JSON.stringify(value));
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const plain = (text) => text.trim().replace(/\s+/g, " ");

function score(rows, response) {
  const possible = rows.reduce((sum, row) => sum + Math.max(row.points, 0), 0);
  if (!possible) return null;
  let met = 0, below = 0, above = 0;
  for (const { points, verdicts } of rows) {
    const verdict = verdicts[response] ?? "unknown";
    if (verdict === "met") met += points;
    else if (verdict === "unknown") points < 0 ? (below += points) : (above += points);
  }
  return { low: (met + below) / possible, high: (met + above) / possible };
}

function margin(scores, preferred) {
  const ahead = scores[preferred], behind = scores[1 - preferred];
  return preferred === null || !ahead || !behind ? null : { low: ahead.low - behind.high, high: ahead.high - behind.low };
}

const number = (value) => (Math.abs(value) < 0.005 ? 0 : value).toFixed(2).replace("-", "−");
const signed = (value) => (value >= 0.005 ? "+" : "") + number(value);
const range = (found, shown = number) => !found ? "none" : found.high - found.low < 0.005 ? shown(found.low) : `${shown(found.low)} to ${shown(found.high)}`;

class Sheet {
  // `said`: what the server sent. Its rows are the base that edits are told apart from, and merged against by the server.
  constructor(said) {
    Object.assign(this, { said, id: said.record, version: said.version, rows: [], comment: said.comment });
    this.rows = said.criteria.map((row) => this.fresh(row));
  }
  fresh(row) {
    const verdicts = Array.from({ length: this.said.responses }, (_, place) => row.verdicts[place] ?? "unknown");
    const by = verdicts.map((verdict, place) => (verdict === "unknown" ? "" : row.judged_by[place] ?? ""));
    return { ...copy(row), verdicts, judged_by: by, isGone: false, judged: { text: plain(row.criterion), verdicts, by } };
  }
  kept() { return this.rows.filter((row) => !row.isGone); }
  sent() {
    return this.kept().map(({ key, criterion, points, axis, tags, principle_id, verdicts, judged_by }) =>
      ({ key, criterion: criterion.trim(), points, axis, tags, principle_id, verdicts, judged_by }));
  }
  saved() { return new Sheet(this.said); }
  isDirty() { const saved = this.saved(); return !same(this.sent(), saved.sent()) || this.comment !== saved.comment; }
  row(key) { return this.rows.find((row) => row.key === key); }
  isNew(row) { return !this.said.criteria.some(({ key }) => key === row.key); }
  add(after, row = {}) {
    const key = "n" + [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const empty = { key, criterion: "", points: 5, axis: "accuracy", tags: [], principle_id: null, verdicts: [], judged_by: [] };
    const added = this.fresh({ ...empty, ...row });
    this.rows.splice(after === null ? this.rows.length : this.rows.findIndex(({ key: other }) => other === after) + 1, 0, added);
    return added;
  }
  remove(row) {
    if (this.isNew(row) && !row.criterion.trim()) this.rows.splice(this.rows.indexOf(row), 1);
    else row.isGone = !row.isGone;
  }
  reword(row, text) { // other words, other meaning: nobody has judged that yet
    row.criterion = text;
    const isAsJudged = plain(text) === row.judged.text;
    row.verdicts = isAsJudged ? [...row.judged.verdicts] : row.verdicts.map(() => "unknown");
    row.judged_by = isAsJudged ? [...row.judged.by] : row.verdicts.map(() => "");
  }
  weigh(row, points) { row.points = Math.max(-10, Math.min(10, Math.round(points))); }
  step(row, by) { this.weigh(row, row.points + by || by); } // 0 is no weight
  judge(row, response, verdict) { // one that somebody else gave is confirmed, one's own is taken back
    const isTakenBack = row.verdicts[response] === verdict && row.judged_by[response] === this.said.judges_as;
    this.settle(row, response, isTakenBack ? "unknown" : verdict, isTakenBack ? "" : this.said.judges_as);
  }
  fill(row, verdicts, by) { row.verdicts.forEach((old, place) => { if (old === "unknown" && verdicts[place] !== "unknown") this.settle(row, place, verdicts[place], by); }); }
  settle(row, response, verdict, by) {
    row.verdicts = row.verdicts.with(response, verdict);
    row.judged_by = row.judged_by.with(response, by);
    row.judged = { text: plain(row.criterion), verdicts: [...row.verdicts], by: [...row.judged_by] };
  }
  open() { return this.kept().filter((row) => row.criterion.trim() && row.verdicts.includes("unknown")); }
  scores() { return [...Array(this.said.responses).keys()].map((response) => score(this.kept(), response)); }
  draft() { return { rows: this.rows, comment: this.comment }; }
  restore({ rows, comment }) { this.rows = rows; this.comment = comment; }
  fault() {
    const gone = this.kept().find((row) => !row.criterion.trim());
    if (gone) return { row: gone, text: "A criterion has no words yet: write it, or delete it." };
    const zero = this.kept().find((row) => !row.points);
    if (zero) return { row: zero, text: "A criterion has 0 points: give it from −10 to 10, but not 0." };
    const texts = this.kept().map((row) => plain(row.criterion)), place = texts.findIndex((text, n) => texts.indexOf(text) < n);
    return place < 0 ? null : { row: this.kept()[place], text: "The same criterion stands here twice: delete one." };
  }
  // What was edited since `sent` went off, put onto what the server has made of it.
  static rebased(said, sent, now) {
    const next = new Sheet(said), before = new Map(sent.rows.map((row) => [row.key, row]));
    for (const row of now.rows) {
      const old = before.get(row.key), at = next.rows.findIndex(({ key }) => key === row.key);
      if (old && same(old, row)) continue;
      if (at >= 0) next.rows[at] = row;
      else if (!row.isGone) next.rows.push(row);
    }
    if (now.comment !== sent.comment) next.comment = now.comment;
    return next;
  }
}
