// The button prints; without scripts it stays hidden, and the browser's menu does the same.
for (const button of document.querySelectorAll("button.print-link")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
