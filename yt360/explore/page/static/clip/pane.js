// One viewer with its clip. It is made once and shown other clips, so a thousand clips need no more than one.

import { make } from "../app/dom.js";

export class Pane {
  /** `load()` imports the viewer's module; `get(address)` fetches JSON; `onState(pane)` hears of changes. */
  constructor({ load, get, onState, muted = false }) {
    this.load = load;
    this.get = get;
    this.onState = onState;
    this.muted = muted;
    this.viewer = null;
    this.clip = null;
    this.showing = 0;
    this.place = make("div", { class: "viewer-place" });
    this.message = make("p", { class: "notice", role: "status", hidden: true });
    this.title = make("p", { class: "pane-title", hidden: true });
    this.element = make("div", { class: "pane" }, this.title, this.place, this.message);
  }

  /**
   * Show the clip of a row with a run (its number or null), from a state of the view; return its
   * `clip.json` while picture and sound are still loading, an empty object if it cannot be read, or null
   * if another call came after this one.
   */
  async show(row, { run = null, view = {}, title = "" } = {}) {
    this.showing += 1;
    const mine = this.showing;
    this.title.textContent = title;
    this.title.hidden = !title;
    this.viewer?.pause();
    this.say("");
    try {
      const base = `clips/${row}/`;
      const [clip] = await Promise.all([this.get(`${base}clip.json`), this.prepare()]);
      if (mine !== this.showing) return null;
      this.clip = clip;
      if (clip.media === false) {
        this.say(clip.media_url ? `The video is in ${clip.media_url}, and there is no copy of it on this machine.`
          : "There is no video of this clip here.", true);
        return clip;
      }
      this.place.hidden = false;
      this.viewer.show({ base, clip, run }).catch((error) => { if (mine === this.showing) this.say(error.message); });
      if (Object.keys(view).length) this.viewer.setState(view);
      return clip;
    } catch (error) {
      if (mine !== this.showing) return null;
      this.say(`This clip cannot be shown. ${error.message}`, true);
      return {};
    }
  }

  /** Make the viewer, unless it is there or the pane has been disposed of. */
  async prepare() {
    if (this.viewer) return;
    const { createViewer } = await this.load();
    if (this.viewer || this.disposed) return;
    const viewer = createViewer(this.place, { onState: () => { if (this.viewer === viewer) this.onState(this); }, muted: this.muted });
    this.viewer = viewer;
  }

  say(text, hidePlace = false) {
    this.message.textContent = text;
    this.message.hidden = !text;
    if (hidePlace) { this.place.hidden = true; this.clip = null; }
  }

  /** Where the viewer is now; empty before there is one. */
  state() {
    return this.viewer && !this.place.hidden ? this.viewer.state() : {};
  }

  setState(changes) {
    if (this.viewer && !this.place.hidden) this.viewer.setState(changes);
  }

  pause() {
    this.showing += 1; // what is still loading must not start to play
    this.viewer?.pause();
  }

  dispose() {
    this.showing += 1;
    this.disposed = true;
    this.viewer?.dispose();
    this.viewer = null;
    this.element.remove();
  }
}
