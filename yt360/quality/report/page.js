"use strict";
const form = document.getElementById("filter");
const list = document.getElementById("cards");
const cards = [...list.children];
const texts = new Map(cards.map((card) => [card, card.textContent.toLowerCase()]));
let current = -1;

function shown() {
  return [...list.children].filter((card) => !card.hidden);
}

function apply() {
  const { state, check, text, sound } = form.elements;
  const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const card of cards) {
    const fits =
      (!state.value || card.dataset.state === state.value) &&
      (!check.value || card.dataset.checks.split(" ").includes(check.value)) &&
      words.every((word) => texts.get(card).includes(word));
    card.hidden = !fits;
  }
  document.body.classList.toggle("silent", !sound.checked);
  document.getElementById("shown").value = `${shown().length} shown`;
  current = -1;
}

function sort() {
  const orders = {
    doubt: (a, b) => b.dataset.doubt - a.dataset.doubt,
    name: (a, b) => a.dataset.name.localeCompare(b.dataset.name, undefined, { numeric: true }),
  };
  list.append(...[...cards].sort(orders[form.elements.sort.value]));
}

function go(step) {
  const visible = shown();
  if (!visible.length) return;
  current = Math.min(Math.max(current + step, 0), visible.length - 1);
  visible[current].focus({ preventScroll: true });
  visible[current].scrollIntoView({ block: "start" });
}

const keys = {
  j: () => go(1),
  k: () => go(-1),
  o: () => {
    const details = document.activeElement.querySelector?.(":scope > details");
    if (details) details.open = !details.open;
  },
  e: () => { form.elements.sound.click(); },
  "/": () => form.elements.text.focus(),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input[type=search], select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const choice = form.querySelectorAll("input[name=state]")[event.key - 1];
  const action = keys[event.key] ?? (choice && (() => choice.click()));
  if (!action) return;
  event.preventDefault();
  action();
});
list.addEventListener("focusin", (event) => {
  current = shown().indexOf(event.target.closest(".card"));
});
form.addEventListener("input", (event) => {
  if (event.target.name === "sort") sort();
  apply();
});
form.addEventListener("submit", (event) => event.preventDefault());
form.hidden = false;
document.querySelector(".keys").hidden = false;
form.reset();
apply();
