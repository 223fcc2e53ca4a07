/** Keys of the viewer: what each does, for its listener and for the help. */

import { LAYERS } from "./layer_controls.js";

/**
 * Return the keys of a viewer as [{keys, does, act}]; `act` gets the event.
 *
 * @param act - What keys do; see `actions.js`.
 */
export function viewerKeys(act) {
  const turn = (right, up) => () => act.turnBy(right, up);
  return [
    { keys: ["Space"], does: "Play or pause", act: () => act.togglePlay() },
    { keys: ["ArrowLeft"], does: "Turn left", act: turn(-1, 0) },
    { keys: ["ArrowRight"], does: "Turn right", act: turn(1, 0) },
    { keys: ["ArrowUp"], does: "Turn up", act: turn(0, 1) },
    { keys: ["ArrowDown"], does: "Turn down", act: turn(0, -1) },
    { keys: ["+", "="], does: "Zoom in", act: () => act.zoomBy(1 / 1.15) },
    { keys: ["-"], does: "Zoom out", act: () => act.zoomBy(1.15) },
    { keys: ["0"], does: "Look to the front", act: () => act.lookAhead() },
    { keys: [","], does: "One frame back", act: () => act.step(-1) },
    { keys: ["."], does: "One frame on", act: () => act.step(1) },
    { keys: ["["], does: "Slower", act: () => act.changeSpeed(-1) },
    { keys: ["]"], does: "Faster", act: () => act.changeSpeed(1) },
    { keys: ["l"], does: "Repeat or stop at the end", act: () => act.toggleLoop() },
    { keys: ["m"], does: "Mute", act: () => act.toggleMute() },
    { keys: ["a"], does: "Next kind of sound: binaural, mono, beam", act: () => act.nextSound() },
    { keys: ["v"], does: "Sphere or flat", act: () => act.toggleMode() },
    { keys: ["f"], does: "Full screen", act: () => act.toggleFullScreen() },
    ...LAYERS.map(({ name, text, key }) => ({
      keys: [key], does: `Layer: ${text}`, act: () => act.toggleLayer(name),
    })),
    {
      keys: ["1", "2", "3", "4", "5", "6", "7", "8", "9"], does: "Look at this view of the run",
      act: (event) => act.lookAtView(Number(event.key) - 1),
    },
  ];
}

/** Return whether an element uses a key itself. */
export function usesKey(target, key) {
  const tag = target?.tagName;
  if (tag === "TEXTAREA" || target?.isContentEditable) return true;
  if (tag === "SELECT") return true;
  if (tag === "INPUT") {
    if (["checkbox", "radio", "button"].includes(target.type)) return key === " ";
    if (target.type !== "range") return true;
    return key.startsWith("Arrow") || ["Home", "End", "PageUp", "PageDown"].includes(key);
  }
  return (tag === "BUTTON" || tag === "A") && (key === " " || key === "Enter");
}

/** Do what a key does; returns whether it was one of `keys`. */
export function pressKey(keys, event) {
  if (event.ctrlKey || event.metaKey || event.altKey || usesKey(event.target, event.key)) {
    return false;
  }
  const pressed = event.key === " " ? "Space" : event.key.length === 1 ? event.key.toLowerCase()
    : event.key;
  const found = keys.find((each) => each.keys.includes(pressed));
  if (!found) return false;
  event.preventDefault();
  found.act(event);
  return true;
}
