// The editor of the CV: line numbers with marks, a check while somebody types, and a warning
// before what was typed is lost. Without it the form's own buttons do all of that but the last.
(() => {
  const form = document.getElementById("editor");
  if (!form) return;
  const text = document.getElementById("text");
  const numbers = document.getElementById("numbers");
  const found = document.getElementById("found");
  const list = document.getElementById("problems");
  const publish = document.getElementById("publish");
  const words = JSON.parse(form.dataset.words);
  const file = form.elements.file.value;
  const PAUSE_MS = 400;
  let marks = new Map(), counted = 0, checking, waiting, leaves = false;

  const isChanged = () => "changed" in form.dataset || text.value !== text.defaultValue;

  // ✖ and ▲ differ by their shape; a number without one has room for it.
  const number = () => {
    const lines = text.value.split("\n").length;
    const rows = [];
    for (let line = 1; line <= lines; line++) rows.push((marks.get(line) || " ") + line);
    numbers.textContent = rows.join("\n");
    numbers.scrollTop = text.scrollTop;
    counted = lines;
  };

  const goTo = (line) => {
    const lines = text.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    text.focus();
    text.setSelectionRange(start, start + (lines[line - 1] || "").length);
    text.scrollTop = (line - 4) * (text.scrollHeight / lines.length);
  };

  const element = (name, className, content) => {
    const res = document.createElement(name);
    res.className = className;
    res.textContent = content;
    return res;
  };

  const row = (problem) => {
    const kind = problem.error ? "error" : "warn";
    const res = element("li", kind, "");
    res.append(element("span", "level " + kind, problem.error ? words.error : words.warning), " ");
    if (problem.line && problem.file === file) {
      const place = element("button", "place", `${problem.file}:${problem.line}:${problem.column}`);
      place.type = "button";
      place.addEventListener("click", () => goTo(problem.line));
      res.append(place, " ");
    } else if (problem.file) {
      res.append(element("code", "", problem.file + (problem.line ? ":" + problem.line : "")), " ");
    }
    res.append(element("span", "text", problem.message));
    if (problem.hint) res.append(element("p", "hint", problem.hint));
    return res;
  };

  const show = (answer) => {
    marks = new Map();
    for (const { error, line, file: where } of answer.problems) {
      if (line && where === file && marks.get(line) !== "✖") marks.set(line, error ? "✖" : "▲");
    }
    const rows = document.createElement("ul");
    rows.className = "problems";
    rows.append(...answer.problems.slice(0, 50).map(row));
    list.replaceChildren(...(answer.problems.length ? [rows] : []));
    // Said once: a screen reader reads it at each change.
    if (found.textContent !== answer.found) found.textContent = answer.found;
    number();
  };

  const check = async () => {
    checking?.abort();
    checking = new AbortController();
    try {
      const answer = await fetch("/admin/cv/draft/check", {
        method: "POST",
        body: new URLSearchParams(new FormData(form)),
        headers: { Accept: "application/json" },
        signal: checking.signal,
      });
      // Whoever is logged out is told by the next button.
      if (answer.ok) show(await answer.json());
      else found.textContent = (await answer.json()).error || words.lost;
    } catch (fault) {
      if (fault.name !== "AbortError") found.textContent = words.lost;
    }
  };

  text.wrap = "off";
  numbers.hidden = false;
  number();
  check();
  text.addEventListener("scroll", () => { numbers.scrollTop = text.scrollTop; });
  text.addEventListener("input", () => {
    if (text.value.split("\n").length !== counted) number();
    clearTimeout(waiting);
    waiting = setTimeout(check, PAUSE_MS);
  });
  document.getElementById("check").addEventListener("click", (event) => {
    event.preventDefault();
    check();
  });
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && admin.keyOf(event).toLowerCase() === "s") {
      event.preventDefault();
      if (publish) form.requestSubmit(publish);
    }
  });
  // A preview opens a tab of its own, and nothing is left.
  form.addEventListener("submit", (event) => { leaves = event.submitter?.formTarget !== "_blank"; });
  addEventListener("beforeunload", (event) => {
    if (isChanged() && !leaves) event.preventDefault();
  });
  if (text.dataset.line) goTo(Number(text.dataset.line));
})();
