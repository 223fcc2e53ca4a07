/** The views of a run: crop, log-mel and scores of each. */

import { viewColor } from "./colors.js";
import { directionText, element } from "./elements.js";

/** Return the number of the largest of some scores; -1 if there is none. */
export function bestMatch(scores) {
  return (scores ?? []).reduce((best, each, i) => (best < 0 || each > scores[best] ? i : best), -1);
}

export class ViewsPanel {
  /**
   * @param onLook - Called with a view that the user chose.
   * @param onHighlight - Called with the number of a view, or null.
   */
  constructor({ onLook, onHighlight }) {
    this.onLook = onLook;
    this.onHighlight = onHighlight;
    this.list = element("ol.vw-views", { "aria-label": "Views of the run" });
    this.root = element("div.vw-views-panel", { hidden: true }, this.list);
  }

  /** Show the views of a run; `base` is the folder of their pictures. */
  load(views, base) {
    this.root.hidden = !views.length;
    this.list.replaceChildren(...views.map((view, k) => this.#card(view, k, base)));
  }

  #card(view, k, base) {
    const where = directionText(view.azimuth_deg, view.elevation_deg);
    const picture = (name, what) =>
      name ? element(`img.vw-${what}`, {
        src: `${base}${name}`, alt: `${what === "crop" ? "Picture" : "Log-mel"} of view ${k + 1}`,
        loading: "lazy",
      }) : null;
    const number = element("span.vw-view-number", {}, String(k + 1));
    number.style.backgroundColor = viewColor(k);
    const button = element(
      "button.vw-view",
      {
        type: "button", title: `Look at view ${k + 1}: ${where}`,
        onclick: () => this.onLook(view),
        onpointerenter: () => this.onHighlight(k),
        onpointerleave: () => this.onHighlight(null),
        onfocus: () => this.onHighlight(k),
        onblur: () => this.onHighlight(null),
      },
      element("span.vw-view-pictures", {}, picture(view.crop, "crop"), picture(view.mel, "mel")),
      element("span.vw-view-text", {}, number, view.flip ? `${where}, mirrored` : where),
      this.#scores(view.scores, k),
    );
    return element("li", {}, button);
  }

  #scores(scores, k) {
    if (!scores?.length) return null;
    if (scores.length === 1) {
      return element("span.vw-scores", {}, `similarity ${scores[0].toFixed(3)}`);
    }
    const best = bestMatch(scores);
    const said = best === k ? "matches its own sound" : `best match: sound of view ${best + 1}`;
    const low = Math.min(...scores);
    const span = Math.max(...scores) - low || 1;
    const bars = scores.map((score, i) => {
      const bar = element("span.vw-score", { title: `Sound of view ${i + 1}: ${score.toFixed(3)}` });
      bar.style.height = `${Math.round(15 + (85 * (score - low)) / span)}%`;
      bar.style.backgroundColor = viewColor(i);
      if (i === k) bar.classList.add("vw-score-own");
      return bar;
    });
    return element(
      "span.vw-scores", {},
      element("span.vw-score-bars", { "aria-hidden": "true" }, ...bars),
      element(best === k ? "span.vw-right" : "span.vw-wrong", {}, said),
    );
  }
}
