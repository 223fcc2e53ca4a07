/** Chooses the resolution of the picture: full at rest, less while it moves on a slow machine. */

const LEAST = 0.4;
/** Milliseconds a frame takes when the resolution falls, and when it rises again. */
const SLOW_MS = 32;
const FAST_MS = 18;
/** Frames that are averaged, and the pause in milliseconds after which the picture is at rest. */
const FRAMES = 8;
export const REST_MS = 150;

export class Resolution {
  constructor() {
    this.scale = 1;
    this.last = -Infinity;
    this.sum = 0;
    this.count = 0;
  }

  /**
   * Return the scale, from 0.4 to 1, for a frame that is drawn now.
   *
   * @param now - Milliseconds.
   */
  moving(now) {
    const took = now - this.last;
    this.last = now;
    if (took > REST_MS * 4) {
      this.sum = 0;
      this.count = 0;
      return this.scale;
    }
    this.sum += took;
    this.count += 1;
    if (this.count < FRAMES) return this.scale;
    const mean = this.sum / this.count;
    this.sum = 0;
    this.count = 0;
    if (mean > SLOW_MS) this.scale = Math.max(LEAST, this.scale * 0.75);
    else if (mean < FAST_MS) this.scale = Math.min(1, this.scale * 1.1);
    return this.scale;
  }
}
