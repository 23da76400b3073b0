// The box for a query: words are offered as one types, a fault is marked where it is, Enter
// asks. The server knows the language; this asks it and shows what it says. Without this the
// box is a form like any other.
"use strict";

(() => {
  const form = byId("query-form");
  const box = byId("search");
  if (!form || !box || !box.form || box.form !== form) return;

  const words = JSON.parse(form.dataset.words);
  const editor = box.parentNode;
  const faultLine = byId("ask-fault");

  const add = (parent, name, attributes) => {
    const element = document.createElement(name);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    parent.append(element);
    return element;
  };

  // The same text lies behind the box, so that a part of it can be marked.
  const behind = document.createElement("div");
  behind.className = "behind-text";
  behind.setAttribute("aria-hidden", "true");
  box.before(behind);
  const list = add(editor, "ul", { id: "offers", role: "listbox", "aria-label": box.labels[0].textContent, hidden: "", tabindex: "0" });
  const said = add(editor, "span", { class: "visually-hidden", role: "status" });
  for (const [name, value] of [["autocomplete", "list"], ["controls", "offers"], ["haspopup", "listbox"]]) {
    box.setAttribute("aria-" + name, value);
  }
  byId("ask-keys").hidden = false;

  const parameters = (more) => {
    const all = new URLSearchParams(more);
    for (const field of form.querySelectorAll("input[type=hidden]")) all.set(field.name, field.value);
    return all;
  };

  /** Returns a function that asks the server once one has paused; a later question ends an earlier one. */
  function asker(path, pauseMs, show) {
    let timer = 0;
    let running = null;
    const stop = () => {
      clearTimeout(timer);
      if (running) running.abort();
    };
    const ask = (more, now) => {
      stop();
      timer = setTimeout(async () => {
        running = new AbortController();
        try {
          const answer = await fetch(path + "?" + parameters(more()), { signal: running.signal });
          if (answer.ok) show(await answer.json());
        } catch {
          // Aborted, or the server is away: the page's own sign says so.
        }
      }, now ? 0 : pauseMs);
    };
    return { ask, stop };
  }

  // Faults ----------------------------------------------------------------------------

  let fault = null;

  function mark() {
    const text = box.value;
    behind.replaceChildren();
    if (fault) {
      const part = text.slice(fault.start, fault.end);
      behind.append(text.slice(0, fault.start));
      const place = add(behind, "mark", {});
      place.textContent = part || "\u00a0";
      behind.append(text.slice(fault.end));
    }
    faultLine.textContent = fault ? `${fault.line}:${fault.column} ${fault.message}. ` : "";
    box.toggleAttribute("data-wrong", Boolean(fault));
    behind.scrollTop = box.scrollTop;
  }

  const checker = asker("/admin/metrics/check", 500, (answer) => {
    fault = answer.ok ? null : answer;
    mark();
  });

  // Offers ----------------------------------------------------------------------------

  let offers = null;
  let active = -1;

  const completer = asker("/admin/metrics/complete", 120, (answer) => {
    if (document.activeElement === box) open(answer);
  });

  function close() {
    completer.stop();
    offers = null;
    active = -1;
    list.hidden = true;
    box.removeAttribute("aria-activedescendant");
  }

  function open(answer) {
    if (!answer.items.length) return close();
    offers = answer;
    active = -1;
    list.replaceChildren(
      ...answer.items.map((item, idx) => {
        const row = document.createElement("li");
        row.id = "offer-" + idx;
        row.setAttribute("role", "option");
        row.setAttribute("aria-selected", "false");
        row.dataset.kind = item.kind;
        add(row, "b", {}).textContent = item.label;
        if (item.note) add(row, "span", { class: "note" }).textContent = item.note;
        if (item.help) add(row, "span", { class: "help" }).textContent = item.help;
        row.addEventListener("click", () => take(idx));
        return row;
      }),
    );
    if (answer.more) add(list, "li", { class: "more", role: "presentation" }).textContent = words.more.replace("{n}", answer.more);
    list.hidden = false;
    list.scrollTop = 0;
    box.removeAttribute("aria-activedescendant");
    said.textContent = words.offers.replace("{n}", answer.items.length);
  }

  function choose(idx) {
    const rows = list.querySelectorAll("[role=option]");
    active = (idx + rows.length) % rows.length;
    rows.forEach((row, at) => row.setAttribute("aria-selected", at === active));
    rows[active].scrollIntoView({ block: "nearest" });
    box.setAttribute("aria-activedescendant", rows[active].id);
  }

  function take(idx) {
    const { from, to, items } = offers;
    const { text } = items[idx];
    box.setRangeText(text, from, to, "end");
    close();
    changed();
    // A bracket or a quote begins what has offers of its own.
    if (/[(="]$/.test(text) && !text.startsWith('"')) complete(true);
  }

  function complete(now) {
    completer.ask(() => ({ q: box.value, at: box.selectionStart }), now);
  }

  // Typing ----------------------------------------------------------------------------

  function fit() {
    box.rows = 2;
    while (box.rows < 12 && box.scrollHeight > box.clientHeight) box.rows++;
  }

  function changed() {
    // A mark would lie beside what it is about.
    fault = null;
    mark();
    fit();
    if (box.value.trim()) checker.ask(() => ({ q: box.value }));
    else checker.stop();
  }

  box.addEventListener("input", () => {
    changed();
    const before = box.value.slice(0, box.selectionStart);
    // Behind a blank only a list has something to say that was not asked for.
    if (/[\w:.{("=,['~]$/.test(before)) complete(false);
    else close();
  });
  box.addEventListener("scroll", () => (behind.scrollTop = box.scrollTop));
  box.addEventListener("blur", close);
  // The box keeps its focus while a row is pressed.
  list.addEventListener("mousedown", (event) => event.preventDefault());
  box.addEventListener("click", close);

  box.addEventListener("keydown", (event) => {
    const { key } = event;
    const act = () => {
      event.preventDefault();
      event.stopPropagation();
    };
    if (key === " " && event.ctrlKey) {
      act();
      complete(true);
    } else if (offers && (key === "ArrowDown" || key === "ArrowUp")) {
      act();
      choose(key === "ArrowDown" ? active + 1 : active < 0 ? -1 : active - 1);
    } else if (offers && key === "Escape") {
      act();
      close();
    } else if (offers && (key === "Tab" || (key === "Enter" && active >= 0)) && !event.shiftKey) {
      act();
      take(Math.max(0, active));
    } else if (key === "Enter" && !event.shiftKey && !event.isComposing) {
      act();
      form.requestSubmit();
    } else if (offers && (key === "ArrowLeft" || key === "ArrowRight" || key === "Home" || key === "End")) {
      close();
    }
  });

  fit();
  if (box.value.trim()) checker.ask(() => ({ q: box.value }), true);
})();
