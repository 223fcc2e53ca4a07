/** Colours that the layers and the panels share. Components are 0 to 255. */

/** Inferno at even steps, as in `yt360/ambisonics/energy_overlay.py`: audio energy. */
export const ENERGY_STOPS = [
  [0, 0, 4], [31, 12, 72], [85, 15, 109], [136, 34, 106], [186, 54, 85], [227, 89, 51],
  [249, 140, 10], [249, 201, 50], [252, 255, 164],
];

/** Dark teal to mint: Grad-CAM, told apart from the energy at a glance. */
export const CAM_STOPS = [[0, 18, 25], [0, 70, 84], [0, 128, 124], [40, 190, 146], [184, 255, 205]];

/** Colours of the views of a run, in their order; they repeat. */
export const VIEW_COLORS = [
  "#4cc9f0", "#f9c74f", "#f28482", "#90be6d", "#c77dff", "#ff9f1c", "#64dfdf", "#ef6ddf",
];

/** Return the colour of a value from 0 to 1 between colour stops. */
export function colorAt(stops, value) {
  const at = Math.max(0, Math.min(1, value)) * (stops.length - 1);
  const first = Math.min(Math.floor(at), stops.length - 2);
  return stops[first].map((each, i) => each + (stops[first + 1][i] - each) * (at - first));
}

/** Return RGBA bytes of 256 values from 0 to 1 between colour stops. */
export function rampBytes(stops) {
  const bytes = new Uint8Array(4 * 256);
  for (let value = 0; value < 256; value += 1) {
    bytes.set([...colorAt(stops, value / 255).map(Math.round), 255], 4 * value);
  }
  return bytes;
}

/** Return a CSS gradient of colour stops, left to right. */
export function cssGradient(stops) {
  return `linear-gradient(to right, ${stops.map((each) => `rgb(${each.join(" ")})`).join(", ")})`;
}

/** Return [red, green, blue] of "#rrggbb"; grey if it is not one. */
export function parseColor(text) {
  const match = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(String(text));
  return match ? match.slice(1).map((each) => parseInt(each, 16)) : [128, 128, 128];
}

/** Return the colour of view number `k`. */
export function viewColor(k) {
  return VIEW_COLORS[k % VIEW_COLORS.length];
}
