// The list of the log. It comes with a page of lines; this goes on from the last one as the list
// is scrolled, and puts what comes in before the first one. Of up to 10,000 lines only those
// near the window are in the document: a closed line has a fixed height, an open one is measured.
"use strict";

(() => {
  const box = byId("log-lines");
  const list = box && box.querySelector("ol.rows");
  if (!list) return;
  const words = JSON.parse(box.dataset.words);

  // A line is a mebibyte at most: few long ones weigh as much as all of the short ones.
  const KEPT_MAX = 10000;
  const KEPT_CHARS_MAX = 16 << 20;
  const CHUNK = 500;
  const AHEAD = 12;
  const FLUSH_MS = 250;

  // Lines --------------------------------------------------------------------------------

  /** All lines, newest first: t time, l level, b text, s labels, f fields. */
  let rows = [];
  const opened = new Set();
  const shown = new Map();

  const CLASSES = { error: "error", fatal: "error", warn: "warn", debug: "debug", trace: "debug" };
  const kind = (row) => CLASSES[row.l] || "info";
  const field = (row, name) => (row.f.find((pair) => pair[0] === name) || [])[1] || "";
  const time = (row) => new Date(Number(row.t.slice(0, -6)));

  function make(tag, name, ...parts) {
    const res = document.createElement(tag);
    if (name) res.className = name;
    res.append(...parts);
    return res;
  }

  /** Reads a line that came with the page. */
  function adopt(li) {
    const named = (dd) => [dd.previousElementSibling.textContent, dd.textContent];
    const pairs = (of) => [...li.querySelectorAll(`dd[data-of="${of}"]`)].map(named);
    const text = li.querySelector("pre.text").textContent;
    const marked = li.getAttribute("aria-current") === "true";
    return { t: li.dataset.at, l: li.dataset.level, b: text, s: pairs("stream"), f: pairs("field"), marked };
  }

  const ranges = document.querySelector("nav.ranges");
  const isOverADay = ranges && ranges.dataset.to - ranges.dataset.from > 86400000;

  function moment(row, kind) {
    const at = time(row);
    const res = make("time", "", admin.written[kind](at));
    res.dateTime = at.toISOString();
    res.title = admin.utc(at);
    return res;
  }

  /** The time of a line, with its day where that is not today's or the list is of several. */
  function stamp(row) {
    const isOfToday = time(row).toDateString() === new Date().toDateString();
    return moment(row, isOverADay || !isOfToday ? "date-second" : "second");
  }

  const level = (row) => (row.l && row.l !== "unknown" ? row.l : words.none);

  function summary(row) {
    const [method, path] = [field(row, "http_request_method"), field(row, "url_path")];
    const status = field(row, "http_response_status_code");
    if (!method || !path || !status) {
      const body = make("span", "body", row.b.split("\n", 1)[0].slice(0, 400));
      return make("summary", "", stamp(row), " ", make("span", "level " + kind(row), level(row)), " ", body);
    }
    const ms = parseFloat(field(row, "duration_ms"));
    const body = make("span", "body", make("span", "method", method), " ", path);
    const lasted = make("span", "lasted", isFinite(ms) ? admin.write("seconds", ms / 1000) : "");
    return make("summary", "", stamp(row), " ", make("span", "status " + kind(row), status), " ", body, " ", lasted);
  }

  // Names that a query can have a condition on, as the server's own.
  const RESERVED = words.reserved.split(" ");
  const isName = (name) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !RESERVED.includes(name.toLowerCase());

  function pair([name, value]) {
    const dd = make("dd", "");
    if (isName(name) && value) {
      const only = make("button", "only", value);
      only.setAttribute("form", "only");
      only.name = "f";
      only.value = name + (/^[=~]/.test(value) ? "==" : "=") + value;
      dd.append(only);
    } else {
      dd.append(value);
    }
    return [make("dt", "", name), dd];
  }

  function around(row) {
    const labels = row.s.filter(([name]) => name !== "level");
    const source = "{" + labels.map(([name, value]) => name + "=" + JSON.stringify(value)).join(", ") + "}";
    return "/admin/logs?" + new URLSearchParams({ around: row.t, source });
  }

  /** The lines that have a value, so many hours before and behind this one. */
  function only(row, name, value, hours) {
    const [at, by] = [Number(row.t.slice(0, -6)), hours * 3600000];
    return "/admin/logs?" + new URLSearchParams({ from: at - by, to: at + by, f: name + "=" + value, all: 1 });
  }

  function link(text, href) {
    const res = make("a", "", text);
    res.href = href;
    return res;
  }

  async function copy(text, button) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Browsers keep the clipboard from pages that came over plain HTTP, but for this old way.
      const area = make("textarea", "", text);
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    const before = button.textContent;
    button.textContent = words.copied;
    setTimeout(() => (button.textContent = before), 1500);
  }

  function copier(text, of) {
    const res = make("button", "quiet", text);
    res.type = "button";
    res.addEventListener("click", () => copy(of(), res));
    return res;
  }

  function asJson(row) {
    const { t, l, b, s, f } = row;
    const at = time(row).toISOString().replace(/\.\d+Z$/, "." + t.slice(-9) + "Z");
    const [stream, fields] = [Object.fromEntries(s), Object.fromEntries(f)];
    return JSON.stringify({ at, level: l, text: b, stream, fields }, null, 2);
  }

  function details(row) {
    const meta = make("dl", "meta", make("dt", "", words.time), make("dd", "", moment(row, "exact")));
    if (!row.s.some(([name]) => name === "level")) {
      meta.append(make("dt", "", words.level), make("dd", "", level(row)));
    }
    meta.append(...row.s.flatMap(pair), ...row.f.flatMap(pair));
    const ways = make("p", "ways", link(words.around, around(row)));
    const [trace, visitor] = [field(row, "trace_id"), field(row, "visitor")];
    if (/^[0-9a-f]{32}$/i.test(trace)) {
      ways.append(" ", link(words.request, only(row, "trace_id", trace, 1)));
      ways.append(" ", link(words.trace, "/admin/traces/" + trace));
    }
    if (visitor) ways.append(" ", link(words.visitor, only(row, "visitor", visitor, 24)));
    ways.append(" ", copier(words.link, () => new URL(around(row), location).href));
    ways.append(" ", copier(words.json, () => asJson(row)));
    return make("div", "whole", make("pre", "text", row.b), meta, ways);
  }

  function element(row) {
    const box = make("details", "", summary(row));
    const li = make("li", kind(row), box);
    if (row.marked) li.setAttribute("aria-current", "true");
    if (opened.has(row)) {
      box.append(details(row));
      box.open = true;
    }
    box.addEventListener("toggle", () => {
      if (box.open === opened.has(row)) return;
      if (box.open) {
        if (!box.querySelector("div.whole")) box.append(details(row));
        opened.add(row);
      } else {
        opened.delete(row);
      }
      row.extra = box.open ? Math.max(0, li.offsetHeight - height) : 0;
      redraw();
      flushSoon();
    });
    return li;
  }

  // The window on them -------------------------------------------------------------------

  let height = 0;
  let current = -1;
  let asked = 0;
  let nLeft = 0;

  /** The places of open lines with what each is higher than a closed one, in order. */
  function extras() {
    const all = [...opened].map((row) => [rows.indexOf(row), row.extra || 0]);
    return all.filter(([idx]) => idx >= 0).sort((one, other) => one[0] - other[0]);
  }

  function top(idx, all) {
    return idx * height + all.reduce((sum, [at, extra]) => (at < idx ? sum + extra : sum), 0);
  }

  function at(y, all) {
    let above = 0;
    for (const [idx, extra] of all) {
      const begin = idx * height + above;
      if (y <= begin + height) break;
      if (y < begin + height + extra) return idx;
      above += extra;
    }
    return Math.floor((y - above) / height);
  }

  function draw() {
    asked = 0;
    if (!height) return;
    const all = extras();
    const y = -list.getBoundingClientRect().top;
    const first = Math.max(0, Math.min(rows.length - 1, at(y, all) - AHEAD));
    const last = Math.min(rows.length - 1, at(y + innerHeight, all) + AHEAD);
    const wanted = new Set(rows.slice(first, last + 1));
    for (const [row, li] of shown) {
      if (wanted.has(row)) continue;
      li.remove();
      shown.delete(row);
    }
    let next = list.firstChild;
    for (let idx = first; idx <= last; idx++) {
      const row = rows[idx];
      let li = shown.get(row);
      if (!li) shown.set(row, (li = element(row)));
      li.ariaPosInSet = idx + 1;
      li.ariaSetSize = older ? -1 : rows.length;
      if (li === next) next = next.nextSibling;
      else list.insertBefore(li, next);
    }
    const whole = top(rows.length, all);
    list.style.paddingTop = (rows.length ? top(first, all) : 0) + "px";
    list.style.paddingBottom = (rows.length ? whole - top(last + 1, all) : 0) + "px";
    if (last > rows.length - 100) fetchOlder();
  }

  function redraw() {
    asked = asked || requestAnimationFrame(draw);
  }

  function measure() {
    const closed = [...list.querySelectorAll("li")].find((li) => !li.firstChild.open);
    const now = closed ? closed.getBoundingClientRect().height : 0;
    if (!now || now === height) return;
    height = now;
    for (const row of opened) {
      const li = shown.get(row);
      if (li) row.extra = Math.max(0, li.offsetHeight - height);
    }
    redraw();
  }

  // Older ones -----------------------------------------------------------------------------

  let older = box.dataset.older || null;
  let fetching = false;
  let isFull = false;
  const turn = byId("older");

  const weight = (row) => row.b.length + [...row.s, ...row.f].reduce((sum, pair) => sum + pair[1].length, 0);

  /** How many of the lines may be kept, from the first one on; one always. */
  function fitting(all) {
    let chars = 0;
    const cut = all.findIndex((row, idx) => {
      chars += weight(row);
      return idx && (idx === KEPT_MAX || chars > KEPT_CHARS_MAX);
    });
    return cut < 0 ? all.length : cut;
  }

  /** Lets go of the oldest lines where there are too many; they are found again by what older is. */
  function trim() {
    const gone = rows.splice(fitting(rows));
    if (!gone.length) return;
    isFull = true;
    const { t } = gone[0];
    // Pages end between moments.
    const last = rows.findLastIndex((row) => row.t !== t) + 1;
    if (last) {
      gone.push(...rows.splice(last));
      older = String(BigInt(t) + 1n);
    } else {
      nLeft += gone.filter((row) => row.t === t).length;
      older = t;
    }
    for (const row of gone) opened.delete(row);
  }

  function hide(id) {
    const part = byId(id);
    if (part) part.hidden = true;
  }

  async function fetchOlder() {
    if (fetching || !older || !box.dataset.rows) return;
    if (isFull || rows.length >= KEPT_MAX) return full();
    fetching = true;
    const before = rows;
    const place = new URL(box.dataset.rows, location);
    place.searchParams.set("before", older);
    place.searchParams.set("limit", Math.min(CHUNK, KEPT_MAX - rows.length));
    try {
      const answer = await fetch(place);
      if (answer.status === 401) return location.assign("/admin/login");
      if (!answer.ok) throw answer.status;
      const more = await answer.json();
      // The list may have begun anew meanwhile.
      if (rows === before) {
        rows.push(...more.rows);
        older = more.older;
        trim();
      }
      if (turn) turn.hidden = true;
      hide("searched");
      if (rows.length) hide("no-lines");
    } catch {
      // The link below the list is the way on, or another scroll.
      if (turn) turn.hidden = false;
      await new Promise((go) => setTimeout(go, 2000));
    }
    fetching = false;
    if (!height) {
      for (const row of rows.slice(0, 1)) list.append(element(row));
      measure();
      list.replaceChildren();
    }
    redraw();
  }

  function full() {
    if (!turn || !turn.hidden) return;
    const place = new URL(location);
    place.searchParams.delete("after");
    place.searchParams.set("before", older);
    const go = turn.querySelector("a");
    go.href = place.pathname + place.search;
    turn.hidden = false;
    if (!byId("full")) {
      const note = make("p", "note", words.full.replace("{n}", rows.length));
      note.id = "full";
      turn.before(note);
    }
  }

  // What comes in --------------------------------------------------------------------------

  const bar = byId("live-bar");
  const pauser = byId("tail-pause");
  const waiter = byId("tail-waiting");
  const waiting = [];
  const base = box.dataset.stream;
  let isPaused = false;
  let hasGap = false;
  let waitingChars = 0;
  let timer = 0;

  /** The stream begins behind the newest line that is known, whenever it begins anew. */
  function knows(t) {
    if (base && t && (t.length > newest.length || (t.length === newest.length && t > newest))) {
      newest = t;
      box.dataset.stream = base + "&since=" + newest;
    }
  }
  let newest = "";

  function hears(event) {
    const { rows: come, left } = JSON.parse(event.data);
    for (const row of come) {
      knows(row.t);
      waiting.push(row);
      waitingChars += weight(row);
    }
    nLeft += left;
    let n = 0;
    for (; waiting.length - n > 1 && (waiting.length - n > KEPT_MAX || waitingChars > KEPT_CHARS_MAX); n++) {
      waitingChars -= weight(waiting[n]);
    }
    nLeft += waiting.splice(0, n).length;
    count(come);
    flushSoon();
  }

  /**
   * After a long absence the list begins anew: what lies between is older, and fetched as such. What
   * is there stays until the new lines are shown, for someone may be reading.
   */
  function begins(event) {
    if (!JSON.parse(event.data).gap) return;
    hasGap = true;
    waiting.length = waitingChars = 0;
  }

  function beginAnew() {
    hasGap = isFull = false;
    rows = [];
    opened.clear();
    older = null;
    current = -1;
    if (turn) turn.hidden = true;
    if (byId("full")) byId("full").remove();
  }

  // Who reads, or is further down, is not pushed away.
  const isRead = () =>
    opened.size > 0 || list.getBoundingClientRect().top < -height || !document.getSelection().isCollapsed;

  function flushSoon() {
    if (bar) timer = timer || setTimeout(flush, FLUSH_MS);
  }

  function flush(isAsked) {
    clearTimeout(timer);
    timer = 0;
    if (waiting.length && (isAsked === true || (!isPaused && !isRead()))) {
      if (hasGap) beginAnew();
      const come = waiting.splice(0).sort((one, other) => (one.t < other.t ? 1 : one.t > other.t ? -1 : 0));
      waitingChars = 0;
      if (!older && !rows.length) older = come[come.length - 1].t;
      rows.unshift(...come);
      trim();
      if (current >= 0) current += come.length;
      hide("no-lines");
      if (height) redraw();
      else fetchHeight();
    }
    say();
  }

  function fetchHeight() {
    list.append(element(rows[0]));
    measure();
    list.replaceChildren();
    shown.clear();
    redraw();
  }

  function say() {
    waiter.hidden = !waiting.length;
    waiter.textContent = words.waiting.replace("{n}", waiting.length);
    byId("tail-left-out").textContent = nLeft ? words.left.replace("{n}", nLeft) : "";
  }

  // The bars above count along.
  const figure = () => byId("chart-lines");
  let chart = null;
  let charting = 0;

  function count(come) {
    const drawn = figure();
    if (!drawn) return;
    if (!drawn.dataset.chart) return beginCount();
    chart = chart || JSON.parse(drawn.dataset.chart);
    const { lines, step } = chart;
    for (const row of come) {
      const known = { fatal: "error", trace: "debug" }[row.l] || row.l;
      const line = lines.findIndex((line) => line.name === known);
      const values = (lines[line < 0 ? lines.length - 1 : line] || {}).values;
      if (!values || (line < 0 && lines.length < 5)) continue;
      const place = () => Math.ceil((Number(row.t.slice(0, -6)) - chart.from) / step);
      // The bars move on with the time; a clock that is far ahead moves nothing.
      for (let ahead = place() - values.length + 1; ahead > 0 && ahead <= values.length; ahead--) {
        for (const line of lines) line.values.push(null), line.values.shift();
        chart.from += step;
      }
      const idx = place();
      if (idx < 0 || idx >= values.length) continue;
      values[idx] = (values[idx] || 0) + 1;
      const sum = lines.reduce((sum, line) => sum + (line.values[idx] || 0), 0);
      while (sum > chart.top) chart.top *= 2;
    }
    charting = charting || setTimeout(() => ((charting = 0), admin.update("chart-lines", chart)), 1000);
  }

  // A list that was empty has no bars to count along: they are asked for once lines come, which
  // are in the store a moment later than here.
  const STORED_MS = 2000;
  const COUNT_EVERY_MS = 10000;
  const COUNTS_UNASKED_MAX = 3;
  let countedAt = -COUNT_EVERY_MS;
  let beginning = 0;
  let nUnasked = 0;

  function beginCount() {
    if (beginning) return;
    const waits = Math.max(STORED_MS, countedAt + COUNT_EVERY_MS - performance.now());
    beginning = setTimeout(async () => {
      countedAt = performance.now();
      try {
        const answer = await fetch("/admin/logs/histogram" + new URL(box.dataset.rows, location).search);
        if (answer.ok) admin.renew(await answer.text());
      } catch {
        // The server is away, which the page says; the next lines ask again.
      }
      beginning = 0;
      chart = null;
      if (!figure().dataset.chart && nUnasked++ < COUNTS_UNASKED_MAX) beginCount();
    }, waits);
  }

  // Keys -----------------------------------------------------------------------------------

  function go(step) {
    const focused = document.activeElement && document.activeElement.closest("#log-lines li");
    for (const [row, li] of shown) if (li === focused) current = rows.indexOf(row);
    current = Math.max(0, Math.min(rows.length - 1, current + step));
    if (!rows[current] || !height) return;
    const y = list.getBoundingClientRect().top + top(current, extras());
    if (y < 0 || y > innerHeight - 2 * height) scrollBy(0, y - innerHeight / 3);
    cancelAnimationFrame(asked);
    draw();
    const li = shown.get(rows[current]);
    if (li) li.querySelector("summary").focus({ preventScroll: true });
  }

  admin.keys.j = () => go(1);
  admin.keys.k = () => go(-1);
  admin.keys.Enter = (event) => {
    if (event.target.closest("a, button, summary")) return event.target.click();
    const li = shown.get(rows[current]);
    if (li) li.querySelector("summary").click();
  };
  admin.keys.Escape = () => {
    for (const row of [...opened]) {
      const li = shown.get(row);
      if (li) li.firstChild.open = false;
      else opened.delete(row);
    }
    redraw();
  };

  // Start ----------------------------------------------------------------------------------

  rows = [...list.children].map(adopt);
  measure();
  list.replaceChildren();
  if (turn && box.dataset.rows) turn.hidden = true;
  const marked = rows.findIndex((row) => row.marked);
  draw();
  if (marked >= 0) scrollBy(0, list.getBoundingClientRect().top + top(marked, []) - innerHeight / 3);
  if (!rows.length && older) fetchOlder();
  addEventListener("scroll", redraw, { passive: true });
  addEventListener("scroll", flushSoon, { passive: true });
  new ResizeObserver(measure).observe(list);

  if (bar) {
    knows(rows.length ? rows[0].t : ranges.dataset.to + "000000");
    bar.hidden = false;
    admin.on.lines = hears;
    admin.on.begin = begins;
    admin.onpause = (is) => {
      isPaused = is;
      pauser.setAttribute("aria-pressed", is);
      pauser.textContent = is ? words.resume : words.pause;
      flush();
    };
    pauser.addEventListener("click", admin.pause);
    waiter.addEventListener("click", () => {
      opened.clear();
      shown.clear();
      list.replaceChildren();
      scrollBy(0, Math.min(0, list.getBoundingClientRect().top - 80));
      flush(true);
      redraw();
    });
  }

  const later = byId("lines-later");
  if (later) {
    fetch(later.dataset.later)
      .then((answer) => (answer.ok ? answer.text() : Promise.reject(answer.status)))
      .then((markup) => {
        const template = document.createElement("template");
        template.innerHTML = markup;
        admin.localTimes(template.content);
        later.replaceChildren(template.content);
        admin.drawAll(later);
        chart = null;
      })
      // The link in its place still leads there.
      .catch(() => {});
  }
})();
