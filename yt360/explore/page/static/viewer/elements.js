/** Builds elements without markup: whatever a name contains, it is text. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Return an element.
 *
 * @param tag - Its name, with classes after dots: "button.tool.primary".
 * @param properties - `on…` are listeners, other functions and values are properties if the element
 *     has one of that name, otherwise attributes; null and undefined are left out.
 * @param children - Elements or text.
 */
export function element(tag, properties = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const made = document.createElement(name);
  if (classes.length) made.className = classes.join(" ");
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && !key.startsWith("aria")) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((each) => each !== null && each !== undefined));
  return made;
}

/** Paths of the icons, in a square of 24. */
const ICONS = {
  play: "M7 4.5v15l12.5-7.5z",
  pause: "M6.5 4.5h4v15h-4zM13.5 4.5h4v15h-4z",
  back: "M18 5v14l-9.500-7zM5.500 5h2.600v14h-2.600z",
  forward: "M6 5v14l9.500-7zM15.900 5h2.600v14h-2.600z",
  loop: "M7 7h9.500V4l5 4.500-5 4.500V10H9v3.500H6V8a1 1 0 0 1 1-1zM17 17H7.500v3l-5-4.500 5-4.500v3H15v-3.500h3V16a1 1 0 0 1-1 1z",
  volume: "M4 9v6h4l5 4.500v-15L8 9zM15.500 8.500a5 5 0 0 1 0 7M18 5.500a9 9 0 0 1 0 13",
  muted: "M4 9v6h4l5 4.500v-15L8 9zM16 9.500l5 5M21 9.500l-5 5",
  full: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  headset: "M3 8h18v9h-5.500l-2-2.500h-3l-2 2.500H3z",
  compass: "M12 3a9 9 0 1 0 0 18a9 9 0 0 0 0-18zM15.500 8.500l-2.200 4.800-4.800 2.200 2.200-4.800z",
  home: "M12 3a9 9 0 1 0 0 18a9 9 0 0 0 0-18zM12 7v5M12 7l-2.500 3M12 7l2.500 3",
};
const OUTLINED = new Set(["full", "compass", "home"]);
const HALF_OUTLINED = new Set(["volume", "muted"]);

/** Return an icon, hidden from assistive technology: its button has a name. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("vw-icon");
  if (OUTLINED.has(name)) svg.classList.add("vw-icon-outlined");
  if (HALF_OUTLINED.has(name)) svg.classList.add("vw-icon-half");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Return a button with an icon and an accessible name, which is also its tooltip. */
export function iconButton(name, label, onclick, properties = {}) {
  const made = element(
    "button.vw-button", { type: "button", "aria-label": label, title: label, onclick, ...properties },
    icon(name),
  );
  return made;
}

/** Return a group of buttons of which one is chosen, as {root, choose(value)}. */
export function choice(label, options, onChoose) {
  const buttons = options.map(({ value, text, title }) =>
    element(
      "button.vw-segment",
      { type: "button", "aria-pressed": "false", title: title ?? text, onclick: () => onChoose(value) },
      text,
    ),
  );
  const root = element("div.vw-segments", { role: "group", "aria-label": label }, ...buttons);
  const choose = (value) =>
    options.forEach((option, i) =>
      buttons[i].setAttribute("aria-pressed", String(option.value === value)),
    );
  return { root, choose };
}

/**
 * Size a canvas to its place on the page; returns [width, height, pixels per CSS pixel].
 *
 * @param scale - Part of the resolution of the display.
 */
export function fitCanvas(canvas, scale = 1) {
  const ratio = scale * Math.min(2, window.devicePixelRatio || 1);
  const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
  const height = Math.max(1, Math.round(canvas.clientHeight * ratio));
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  return [width, height, ratio];
}

/** Return the value of a CSS custom property where an element stands. */
export function themeColor(place, name, fallback) {
  return getComputedStyle(place).getPropertyValue(name).trim() || fallback;
}

/** Return seconds as "0:07.25". */
export function clockText(seconds) {
  const hundredths = Math.round(Math.max(0, seconds) * 100);
  const minutes = Math.floor(hundredths / 6000);
  const rest = ((hundredths % 6000) / 100).toFixed(2).padStart(5, "0");
  return `${minutes}:${rest}`;
}

/** Return a direction in degrees as words: "35° left, 10° up". */
export function directionText(azimuthDeg, elevationDeg) {
  const azimuth = Math.round(azimuthDeg);
  const elevation = Math.round(elevationDeg);
  const side = azimuth === 0 ? "front" : Math.abs(azimuth) === 180 ? "behind"
    : `${Math.abs(azimuth)}° ${azimuth > 0 ? "left" : "right"}`;
  if (elevation === 0) return side;
  return `${side}, ${Math.abs(elevation)}° ${elevation > 0 ? "up" : "down"}`;
}
