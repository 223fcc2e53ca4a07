/** The row of controls under the time line. */

import { choice, clockText, element, icon, iconButton } from "./elements.js";

export const SPEEDS = [0.25, 0.5, 1, 1.5, 2];
const VOLUME_DB = { lowest: -40, highest: 20 };

export class Toolbar {
  /** @param act - What the controls do; see `actions.js`. */
  constructor(act) {
    this.play = iconButton("play", "Play (Space)", () => act.togglePlay());
    this.play.classList.add("vw-primary");
    this.time = element("span.vw-time", { "aria-hidden": "true" }, "0:00.00 / 0:00.00");
    this.loop = iconButton("loop", "Repeat (L)", () => act.toggleLoop(), { "aria-pressed": "true" });
    this.speed = element(
      "select.vw-select",
      {
        "aria-label": "Speed", title: "Speed ([ and ])",
        onchange: () => act.setSpeed(Number(this.speed.value)),
      },
      ...SPEEDS.map((each) => element("option", { value: each, selected: each === 1 }, `${each}×`)),
    );
    this.sound = choice("Sound", [
      { value: "binaural", text: "Binaural", title: "For headphones, turned with the view (A)" },
      { value: "mono", text: "Mono", title: "Channel W in both ears (A)" },
      { value: "beam", text: "Beam", title: "What comes from where the view looks (A)" },
    ], (mode) => act.setSound(mode));
    this.mute = iconButton("volume", "Mute (M)", () => act.toggleMute(), { "aria-pressed": "false" });
    this.volume = element("input.vw-range.vw-volume", {
      type: "range", min: VOLUME_DB.lowest, max: VOLUME_DB.highest, step: 1, value: 0,
      "aria-label": "Volume", title: "Volume: 0 dB",
      oninput: () => act.setVolume(Number(this.volume.value)),
    });
    this.root = element(
      "div.vw-toolbar", { role: "toolbar", "aria-label": "Playing" },
      element(
        "div.vw-group", {},
        iconButton("back", "One frame back (comma)", () => act.step(-1)),
        this.play,
        iconButton("forward", "One frame on (full stop)", () => act.step(1)),
        this.loop, this.speed, this.time,
      ),
      element("div.vw-group", {}, this.sound.root, this.mute, this.volume),
    );
  }

  /** Show the state of the viewer. */
  refresh({ playing, loop, speed, sound, muted, volumeDb }) {
    this.#swap(this.play, playing ? "pause" : "play", playing ? "Pause (Space)" : "Play (Space)");
    this.loop.setAttribute("aria-pressed", String(loop));
    this.speed.value = String(speed);
    this.sound.choose(sound);
    this.#swap(this.mute, muted ? "muted" : "volume", muted ? "Unmute (M)" : "Mute (M)");
    this.mute.setAttribute("aria-pressed", String(muted));
    this.volume.value = String(volumeDb);
    this.volume.title = `Volume: ${volumeDb} dB`;
    this.volume.setAttribute("aria-valuetext", `${volumeDb} dB`);
  }

  /** Show the second that is playing. */
  showTime(time, duration) {
    const text = `${clockText(time)} / ${clockText(duration)}`;
    if (this.time.textContent !== text) this.time.textContent = text;
  }

  #swap(button, name, label) {
    if (button.dataset.icon === name) return;
    button.dataset.icon = name;
    button.title = label;
    button.setAttribute("aria-label", label);
    button.replaceChildren(icon(name));
  }
}
