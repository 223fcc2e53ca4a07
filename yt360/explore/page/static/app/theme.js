// Light or dark: as the system says, until the user chooses.

const STORED = "explore-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

/** Return whether the page is dark now. */
export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : dark.matches;
}

/** Set up the switch and restore what was chosen; return a function that switches. */
export function setUpTheme(button) {
  const chosen = remembered();
  if (chosen) document.documentElement.dataset.theme = chosen;
  const show = () => {
    button.textContent = isDark() ? "☀" : "☾";
    button.setAttribute("aria-pressed", String(isDark()));
  };
  const toggle = () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    try { localStorage.setItem(STORED, theme); } catch { /* storage is off: the choice lasts until a reload */ }
    show();
  };
  button.addEventListener("click", toggle);
  dark.addEventListener("change", show);
  show();
  return toggle;
}

function remembered() {
  try {
    const theme = localStorage.getItem(STORED);
    return theme === "dark" || theme === "light" ? theme : null;
  } catch {
    return null;
  }
}
