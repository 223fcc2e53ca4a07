/** Switches of the layers, with opacity, scale and legend. */

import { CAM_STOPS, cssGradient, ENERGY_STOPS, parseColor } from "./colors.js";
import { element } from "./elements.js";

/** The layers in their order; `opacity` is the one at first, and is absent where it has no meaning. */
export const LAYERS = [
  { name: "energy", text: "Audio energy", key: "s", on: true, opacity: 0.65 },
  { name: "labels", text: "Labels", key: "b", on: false, opacity: 0.5 },
  { name: "cam", text: "Grad-CAM", key: "g", on: false, opacity: 0.7 },
  { name: "views", text: "Views", key: "r", on: true },
  { name: "directions", text: "Directions", key: "h", on: true },
  { name: "grid", text: "Grid", key: "w", on: false },
];

export class LayerControls {
  /**
   * @param onChange - Called when a switch or an opacity changes.
   * @param onToggleClass - Called with a class number of the legend.
   */
  constructor({ onChange, onToggleClass }) {
    this.onChange = onChange;
    this.onToggleClass = onToggleClass;
    this.state = Object.fromEntries(
      LAYERS.map(({ name, on, opacity }) => [name, { on, opacity: opacity ?? 1, present: false }]),
    );
    this.parts = Object.fromEntries(LAYERS.map((layer) => [layer.name, this.#chip(layer)]));
    this.legend = element("ul.vw-legend", { "aria-label": "Classes of the labels", hidden: true });
    this.row = element(
      "div.vw-layers", { role: "group", "aria-label": "Layers" },
      ...LAYERS.map(({ name }) => this.parts[name].root),
    );
    this.root = element("div.vw-layer-controls", {}, this.row, this.legend);
    this.#refresh();
  }

  /** Say which layers the clip has, and with what scale and legend. */
  load({ present, energy, legend }) {
    for (const { name } of LAYERS) this.state[name].present = present.has(name);
    if (energy) {
      this.parts.energy.scale.title = `${energy.low_db} dB to ${energy.high_db} dB`;
      this.parts.energy.low.textContent = `${energy.low_db}`;
      this.parts.energy.high.textContent = `${energy.high_db} dB`;
    }
    this.parts.cam.low.textContent = "low";
    this.parts.cam.high.textContent = "high";
    if (legend !== this.shownLegend) {
      this.shownLegend = legend;
      this.legend.replaceChildren(...(legend ?? []).map((each) => this.#legendItem(each)));
    }
    this.#refresh();
  }

  /** Return the opacity of a layer, 0 if it is off or absent. */
  opacity(name) {
    const { on, present, opacity } = this.state[name];
    return on && present ? opacity : 0;
  }

  /** Switch a layer that the clip has; returns whether it has it. */
  toggle(name) {
    if (!this.state[name].present) return false;
    this.set(name, !this.state[name].on);
    return true;
  }

  /** Switch a layer on or off. */
  set(name, on) {
    this.state[name].on = on;
    this.#refresh();
    this.onChange();
  }

  #chip({ name, text, key, opacity }) {
    const box = element("input.vw-check", {
      type: "checkbox", title: `${text} (${key.toUpperCase()})`,
      onchange: () => this.set(name, box.checked),
    });
    const slider = opacity === undefined ? null : element("input.vw-range.vw-opacity", {
      type: "range", min: 0.05, max: 1, step: 0.05, value: opacity,
      "aria-label": `Opacity of ${text}`, title: "Opacity",
      oninput: () => {
        this.state[name].opacity = Number(slider.value);
        this.onChange();
      },
    });
    const stops = { energy: ENERGY_STOPS, cam: CAM_STOPS }[name];
    const low = element("span");
    const high = element("span");
    const bar = element("span.vw-scale-bar");
    if (stops) bar.style.backgroundImage = cssGradient(stops);
    const scale = stops ? element("span.vw-scale", {}, low, bar, high) : null;
    const root = element(
      "div.vw-layer", {}, element("label.vw-layer-name", {}, box, text), scale, slider,
    );
    return { root, box, slider, scale, low, high };
  }

  #legendItem({ id, name, color }) {
    const swatch = element("span.vw-swatch");
    swatch.style.backgroundColor = `rgb(${parseColor(color).join(" ")})`;
    const button = element(
      "button.vw-legend-item",
      {
        type: "button", "aria-pressed": "true", title: `Show or hide ${name}`,
        onclick: () => {
          const shown = button.getAttribute("aria-pressed") !== "true";
          button.setAttribute("aria-pressed", String(shown));
          this.onToggleClass(id);
        },
      },
      swatch, name,
    );
    return element("li", {}, button);
  }

  #refresh() {
    for (const { name } of LAYERS) {
      const { on, present } = this.state[name];
      const { root, box, slider, scale } = this.parts[name];
      root.hidden = !present;
      box.checked = on;
      if (slider) slider.hidden = !on;
      if (scale) scale.hidden = !on;
    }
    this.legend.hidden = !(this.state.labels.present && this.state.labels.on);
  }
}
