// Every page comes complete from the server. This keeps it fresh: one stream brings rendered
// parts, which replace those with the same id, and the numbers of charts; times move into the
// viewer's zone; keys do what buttons and links do. Nothing here is needed to read a page.
"use strict";

const byId = (id) => document.getElementById(id);

// Times -----------------------------------------------------------------------------

const WRITTEN = {
  second: (at) => admin.clock(at),
  minute: (at) => admin.minute(at),
  date: (at) => admin.date(at),
  "date-minute": (at) => admin.date(at) + " " + admin.minute(at),
  "date-second": (at) => admin.date(at) + " " + admin.clock(at),
  day: (at) => at.getFullYear() + "-" + admin.date(at) + " " + admin.clock(at),
  exact: (at) => WRITTEN.day(at) + "." + String(at.getMilliseconds()).padStart(3, "0"),
};
admin.written = WRITTEN;

function localTimes(root) {
  for (const time of root.querySelectorAll("time[data-at]")) {
    const at = new Date(time.dateTime);
    if (isNaN(at)) continue;
    if (!time.title) time.title = admin.utc(at);
    time.textContent = WRITTEN[time.dataset.at](at);
  }
}
admin.localTimes = localTimes;

// Swapping --------------------------------------------------------------------------

let paused = false;
const waiting = new Map();

// A part that someone selects or types in, or decides about, stays until they are done.
function inUse(part) {
  const selection = document.getSelection();
  const selects = selection && !selection.isCollapsed && part.contains(selection.anchorNode);
  const focused = document.activeElement;
  const types = part.contains(focused) && focused.matches("input, select, textarea");
  return paused || selects || types || part.querySelector("details[open] form, [aria-busy]");
}

/** Finds what has the focus in a part again where that comes anew. */
function focusIn(part) {
  const focused = document.activeElement;
  if (part === focused) return (fresh) => fresh;
  if (!part.contains(focused)) return () => null;
  const parent = focused.parentElement;
  const selectors = [
    focused.id && "#" + CSS.escape(focused.id),
    focused.matches("summary") && parent.id && "#" + CSS.escape(parent.id) + " > summary",
    focused.matches("a[href]") && `a[href="${CSS.escape(focused.getAttribute("href"))}"]`,
    focused.tagName,
  ].filter(Boolean);
  const places = selectors.map((like) => [like, [...part.querySelectorAll(like)].indexOf(focused)]);
  return (fresh) => places.reduce((found, [like, idx]) => found || fresh.querySelectorAll(like)[idx], null);
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
    const same = fresh.querySelector("#" + CSS.escape(open.id));
    if (same) same.open = open.open;
  }
  const scrolls = [part, ...part.querySelectorAll(".scroll")].map((box) => [box.scrollLeft, box.scrollTop]);
  const focused = focusIn(part)(fresh);
  part.replaceWith(fresh);
  [fresh, ...fresh.querySelectorAll(".scroll")].forEach((box, idx) => {
    if (scrolls[idx]) [box.scrollLeft, box.scrollTop] = scrolls[idx];
  });
  if (focused) focused.focus({ preventScroll: true });
}

// The stream ------------------------------------------------------------------------

const live = byId("live");
const streaming = document.querySelector("[data-stream]");
let source = null;

// Ticks come every 2 s. A stream that broke, or is silent for long, makes the numbers old.
const BROKEN_MS = 5000;
const SILENT_MS = 20000;
let heard = Date.now();
let broken = 0;
let leaving = false;

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
  byId("lost-since").textContent = admin.clock(new Date(heard));
  byId("lost").hidden = false;
}

function say(state, text) {
  live.dataset.live = state;
  live.textContent = text;
}

let told = 0;
let isBusy = false;
const held = [];

/** Says what is true while the stream is heard. */
function tell() {
  if (paused) say("off", admin.words.paused);
  // Nothing could be read this time: what is shown is as old as the tick before.
  else if (isBusy) say("off", admin.words.busy);
  else if (told && !broken) say("on", admin.words.live + ", " + admin.clock(new Date(told)));
}

/** What else a view hears from the stream, by the names of events. */
admin.on = {};

function listen() {
  if (source || document.hidden) return;
  if (!broken) heard = Date.now();
  source = new EventSource(streaming.dataset.stream);
  for (const name in admin.on) source.addEventListener(name, admin.on[name]);
  source.addEventListener("tick", (event) => {
    const { at_ms, fragments, charts, figures, busy } = JSON.parse(event.data);
    hear();
    for (const [id, markup] of [...waiting]) swap(id, markup);
    for (const id in fragments) swap(id, fragments[id]);
    if (!paused) for (const id in charts || {}) admin.update(id, charts[id]);
    held.push(...(figures || []));
    if (!paused) for (const markup of held.splice(0)) admin.renew(markup);
    [told, isBusy] = [at_ms, busy];
    tell();
  });
  source.addEventListener("end", (event) => {
    if (event.data === "login") logIn();
    else say("off", admin.words.restarts);
  });
  source.onerror = () => {
    // A page that is left breaks its stream, and nobody is there to be told.
    if (leaving) return;
    broken = broken || Date.now();
    say("off", admin.words.broken);
    // Not left to the browser: what is asked for may be another by now.
    const isRefused = source && source.readyState === EventSource.CLOSED;
    stop();
    setTimeout(listen, isRefused ? 10000 : 2000);
    if (isRefused) loginIfEnded();
  };
}

/** Leads to the login and from there back to this page. */
function logIn() {
  const here = location.pathname + location.search;
  location.assign("/admin/login" + (here === "/admin" ? "" : "?to=" + encodeURIComponent(here)));
}

// A session that ended while nobody looked, or with the server, needs the login again.
async function loginIfEnded() {
  try {
    const answer = await fetch("/admin", { method: "HEAD", redirect: "manual" });
    if (answer.type === "opaqueredirect") logIn();
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

// Keys ------------------------------------------------------------------------------

const ranges = document.querySelector("nav.ranges");

function otherRange(step) {
  if (!ranges) return;
  const all = [...ranges.querySelectorAll("a[data-range]")];
  const now = all.findIndex((link) => link.getAttribute("aria-current"));
  const next = all[Math.min(all.length - 1, Math.max(0, (now < 0 ? 1 : now) + step))];
  if (next && next !== all[now]) next.click();
}

function pan(step) {
  if (!ranges || !ranges.dataset.from) return;
  const [from, to] = [Number(ranges.dataset.from), Number(ranges.dataset.to)];
  // Where all is told by the day it goes on by whole days, and ends with this one.
  const day = Number(ranges.dataset.step) || 0;
  const half = (to - from) / 2;
  const by = step * (day ? Math.max(1, Math.round(half / day)) * day : half);
  const end = day ? Math.ceil(Date.now() / day) * day : Date.now() + half / 2;
  if (to + by > end) return backToNow();
  admin.look(from + by, to + by);
}

function backToNow() {
  const query = new URLSearchParams(location.search);
  if (!query.has("from")) return;
  query.delete("from");
  query.delete("to");
  location.assign(location.pathname + (query.size ? "?" + query : ""));
}

function tables() {
  const all = [...document.querySelectorAll("figure.chart details")];
  const open = !all.every((table) => table.open);
  for (const table of all) table.open = open;
}

function pause() {
  if (!streaming) return;
  paused = !paused;
  document.body.classList.toggle("paused", paused);
  if (admin.onpause) admin.onpause(paused);
  tell();
  if (!paused) for (const [id, markup] of [...waiting]) swap(id, markup);
}

/** Shows the keys that do something on this page. */
function showKeys() {
  for (const part of dialog.querySelectorAll("[data-needs]")) part.hidden = !document.querySelector(part.dataset.needs);
  dialog.showModal();
}

const KEYS = {
  "?": showKeys,
  "/": () => byId("search") && byId("search").focus(),
  "[": () => otherRange(-1),
  "]": () => otherRange(1),
  ArrowLeft: () => pan(-1),
  ArrowRight: () => pan(1),
  0: backToNow,
  p: pause,
  x: tables,
};
admin.keys = KEYS;
admin.pause = pause;

// Letters of another script stand on the same keys, and so do the marks beside them. A key that
// writes a Latin letter means that letter, wherever it is.
const PLACES = { BracketLeft: "[", BracketRight: "]" };

/** The key that is meant, whatever the layout is. */
admin.keyOf = ({ key, code, shiftKey }) => {
  if (code === "Slash" && (key === "." || key === ",")) return shiftKey ? "?" : "/";
  if (key.length !== 1 || /[\p{ASCII}\p{Script=Latin}]/u.test(key)) return key;
  if (code === "Slash") return shiftKey ? "?" : "/";
  return PLACES[code] || (/^Key[A-Z]$/.test(code) ? code[3].toLowerCase() : key);
};

let goes = 0;
const dialog = byId("keys");

document.addEventListener("keydown", (event) => {
  if (!dialog) return;
  const typing = event.target.closest && event.target.closest("input, select, textarea, [contenteditable]");
  if (typing && event.key === "Escape") event.target.blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
  const key = admin.keyOf(event);
  // Arrows scroll what can be scrolled.
  if (key.startsWith("Arrow") && event.target.closest && event.target.closest(".scroll")) return;
  if (goes && Date.now() - goes < 1500) {
    goes = 0;
    const link = document.querySelector(`nav.views a[data-key="${CSS.escape(key)}"]`);
    if (link) {
      event.preventDefault();
      return link.click();
    }
  }
  if (key === "g") {
    goes = Date.now();
    return;
  }
  const act = KEYS[key];
  if (!act) return;
  event.preventDefault();
  act(event);
});

// Forms -----------------------------------------------------------------------------

// What changes something may take seconds; a server that is gone answers after none, so that the
// button can be pressed again.
const ANSWER_MS = 30000;
let pressed = null;

function release() {
  if (!pressed) return;
  const { button, content, timer } = pressed;
  pressed = null;
  clearTimeout(timer);
  button.removeAttribute("aria-busy");
  button.replaceChildren(...content);
}

document.addEventListener("submit", (event) => {
  const [form, button] = [event.target, event.submitter];
  const said = (name) => (button && button.getAttribute("form" + name)) || form.getAttribute(name) || "";
  if (event.defaultPrevented || said("method").toLowerCase() !== "post" || said("target") === "_blank") return;
  if (pressed) return event.preventDefault();
  if (!button || button.tagName !== "BUTTON") return;
  pressed = { button, content: [...button.childNodes], timer: setTimeout(release, ANSWER_MS) };
  button.setAttribute("aria-busy", "true");
  // The login has no words.
  if (admin.words.working) button.textContent = admin.words.working;
});
addEventListener("pageshow", release);

// Start -----------------------------------------------------------------------------

localTimes(document);

if (live) {
  const opener = byId("keys-open");
  opener.hidden = false;
  opener.addEventListener("click", showKeys);
  const current = document.querySelector('nav.views a[aria-current="page"]');
  if (current) current.scrollIntoView({ block: "nearest", inline: "center" });
  if (streaming) {
    document.addEventListener("visibilitychange", () => (document.hidden ? leave() : listen()));
    addEventListener("beforeunload", () => {
      leaving = true;
      // A download only looks like leaving.
      setTimeout(() => {
        leaving = false;
        if (!source || source.readyState !== EventSource.CLOSED) return;
        stop();
        listen();
      }, 5000);
    });
    addEventListener("pagehide", leave);
    addEventListener("pageshow", () => {
      leaving = false;
      listen();
    });
    // When the scripts of the view have said what they hear.
    addEventListener("DOMContentLoaded", listen);
    setInterval(judge, 1000);
  }
  addEventListener("load", () => {
    const [page] = performance.getEntriesByType("navigation");
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    const parts = performance.getEntriesByType("resource").filter((part) => part.initiatorType !== "other");
    const size = [page, ...parts].reduce((sum, part) => sum + (part.encodedBodySize || 0), 0);
    const cost = byId("page-cost");
    if (paint) {
      const text = admin.words.cost.replace("{size}", admin.write("bytes", size));
      cost.textContent = text.replace("{time}", admin.write("seconds", paint.startTime / 1000));
    }
  });
}
