// The admin page comes complete from the server. This keeps it fresh: one stream brings
// rendered parts, which replace those with the same id; times move into the viewer's
// zone; charts show the values under the pointer. Nothing here is needed to read it.
"use strict";

const byId = (id) => document.getElementById(id);

// Times -----------------------------------------------------------------------------

const pad = (number) => String(number).padStart(2, "0");

function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (isNaN(at)) continue;
    const short = pad(at.getHours()) + ":" + pad(at.getMinutes());
    time.textContent = "short" in time.dataset ? short : short + ":" + pad(at.getSeconds());
    if (!time.title) time.title = time.dateTime;
  }
  for (const zone of root.querySelectorAll("[data-zone]")) zone.textContent = "your time";
}

// Swapping --------------------------------------------------------------------------

let paused = false;
const waiting = new Map();

// A part that someone reads, selects or types in stays until they are done.
function inUse(part) {
  const selection = document.getSelection();
  const selects = selection && !selection.isCollapsed && part.contains(selection.anchorNode);
  const reads = part.id === "log-lines" && (paused || part.querySelector("details[open]"));
  return selects || reads || (part !== document.activeElement && part.contains(document.activeElement));
}

function swap(id, markup) {
  const part = byId(id);
  if (!part) return;
  if (inUse(part)) {
    waiting.set(id, markup);
    return;
  }
  waiting.delete(id);
  const template = document.createElement("template");
  template.innerHTML = markup;
  const fresh = template.content.firstElementChild;
  if (!fresh) return;
  localTimes(fresh);
  for (const open of part.querySelectorAll("details[id]")) {
    const same = fresh.querySelector("#" + open.id);
    if (same) same.open = open.open;
  }
  const scrolls = [part, ...part.querySelectorAll(".scroll")].map((box) => [box.scrollLeft, box.scrollTop]);
  const hadFocus = part === document.activeElement;
  part.replaceWith(fresh);
  [fresh, ...fresh.querySelectorAll(".scroll")].forEach((box, idx) => {
    if (scrolls[idx]) [box.scrollLeft, box.scrollTop] = scrolls[idx];
  });
  if (hadFocus) fresh.focus({ preventScroll: true });
}

// The stream ------------------------------------------------------------------------

const live = byId("live");
let source = null;

// Ticks come every 2 s. A stream that broke, or is silent for long, makes the numbers old.
const BROKEN_MS = 5000;
const SILENT_MS = 20000;
let heard = Date.now();
let broken = 0;

const clock = (at) => pad(at.getHours()) + ":" + pad(at.getMinutes()) + ":" + pad(at.getSeconds());

function hear() {
  heard = Date.now();
  broken = 0;
  document.body.classList.remove("lost");
  byId("lost").hidden = true;
}

// A page nobody sees has no stream and is not lost.
function judge() {
  if (document.hidden || document.body.classList.contains("lost")) return;
  const now = Date.now();
  if (!(broken && now - broken > BROKEN_MS) && now - heard < SILENT_MS) return;
  document.body.classList.add("lost");
  byId("lost-since").textContent = clock(new Date(heard));
  byId("lost").hidden = false;
}

function say(state, text) {
  live.dataset.live = state;
  live.textContent = text;
}

function listen() {
  if (source || document.hidden) return;
  if (!broken) heard = Date.now();
  source = new EventSource("/admin/events" + location.search);
  source.addEventListener("tick", (event) => {
    const { at_ms, fragments } = JSON.parse(event.data);
    hear();
    for (const [id, markup] of [...waiting]) swap(id, markup);
    for (const id in fragments) swap(id, fragments[id]);
    say("on", "live, " + clock(new Date(at_ms)));
  });
  source.addEventListener("end", (event) => {
    if (event.data === "login") location.assign("/admin/login");
    else say("off", "the server restarts");
  });
  source.onerror = () => {
    broken = broken || Date.now();
    say("off", "not live, trying again");
    // A refusal closes the source for good; a lost connection is retried by the browser.
    if (source && source.readyState === EventSource.CLOSED) {
      stop();
      setTimeout(listen, 10000);
      loginIfEnded();
    }
  };
}

// A session that ended while nobody looked, or with the server, needs the login again.
async function loginIfEnded() {
  try {
    const answer = await fetch("/admin", { method: "HEAD", redirect: "manual" });
    if (answer.type === "opaqueredirect") location.assign("/admin/login");
  } catch {
    // The server is away; the next attempt says more.
  }
}

function leave() {
  stop();
  broken = 0;
}

function stop() {
  if (source) source.close();
  source = null;
}

// The crosshair ---------------------------------------------------------------------

// All charts share their times, so one pointer reads all of them. A table has no row for
// a step without a value.
function charts() {
  return [...document.querySelectorAll("[data-chart]")].filter((chart) => chart.querySelector("svg.lines"));
}

function point(share) {
  for (const chart of charts()) {
    const svg = chart.querySelector("svg.lines");
    const step = Math.round(share * (svg.dataset.steps - 1));
    const row = chart.querySelector(`tr[data-step="${step}"]`);
    const cells = row ? row.querySelectorAll("td") : [];
    chart.querySelectorAll("[data-now]").forEach((now, idx) => {
      now.dataset.now = now.dataset.now || now.textContent;
      now.textContent = cells[idx] ? cells[idx].textContent : "–";
    });
    let cross = svg.querySelector(".cross");
    if (!cross) {
      cross = document.createElementNS("http://www.w3.org/2000/svg", "path");
      cross.setAttribute("class", "cross");
      svg.append(cross);
    }
    cross.setAttribute("d", "M" + share * 600 + " 0V120");
    svg.parentElement.title = row ? row.querySelector("th").textContent : "";
  }
}

function unpoint() {
  for (const cross of document.querySelectorAll(".cross")) cross.remove();
  for (const now of document.querySelectorAll("[data-now]")) {
    if (now.dataset.now) now.textContent = now.dataset.now;
    now.dataset.now = "";
  }
}

document.addEventListener("pointermove", (event) => {
  const svg = event.target.closest && event.target.closest("svg.lines");
  if (!svg) return unpoint();
  const box = svg.getBoundingClientRect();
  point(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)));
});
document.addEventListener("pointerleave", unpoint);

// Start -----------------------------------------------------------------------------

localTimes(document);

if (live) {
  const pause = byId("pause");
  pause.hidden = false;
  const toggle = () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", paused);
    pause.textContent = paused ? "Go on" : "Pause";
    if (!paused) for (const [id, markup] of [...waiting]) swap(id, markup);
  };
  pause.addEventListener("click", toggle);
  // "/" goes to the log filter, as in other log viewers; never while someone types.
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") {
      event.preventDefault();
      byId("log-text").focus();
    }
    if (event.key === "p") toggle();
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : listen()));
  addEventListener("pagehide", leave);
  addEventListener("pageshow", listen);
  listen();
  setInterval(judge, 1000);
}
