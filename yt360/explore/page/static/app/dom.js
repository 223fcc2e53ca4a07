// Building elements. Every text goes through textContent: names from a dataset are never markup.

/**
 * Return an element. `properties`: `class`, `text`, `on` ({event: listener}), `data` ({name: value});
 * everything else is an attribute; true sets it empty, false, null and undefined leave it out.
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "text") element.textContent = value;
    else if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === "data") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** Return an SVG element with attributes. */
export function drawn(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Tell screen readers what has just happened. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

/** Return a function that calls `action` once it has not been called for `wait_ms`; `flush()` does not wait. */
export function debounced(action, wait_ms) {
  let timer = 0;
  let run = null;
  const call = (...values) => {
    clearTimeout(timer);
    run = () => { run = null; action(...values); };
    timer = setTimeout(run, wait_ms);
  };
  call.flush = () => {
    clearTimeout(timer);
    run?.();
  };
  return call;
}

/** Return a function that calls `action` at most once in `wait_ms`, the last time after the last call. */
export function throttled(action, wait_ms) {
  let timer = 0;
  const call = () => {
    timer ||= setTimeout(() => {
      timer = 0;
      action();
    }, wait_ms);
  };
  call.cancel = () => {
    clearTimeout(timer);
    timer = 0;
  };
  return call;
}

/** Return whether the user is typing text into this element. */
export function takesText(element) {
  if (!element) return false;
  if (element.isContentEditable || element.tagName === "TEXTAREA" || element.tagName === "SELECT") return true;
  return element.tagName === "INPUT" && !["checkbox", "radio", "button", "range"].includes(element.type);
}
