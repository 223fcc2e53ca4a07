/**
 * Renders first-order ambisonics to headphones by Web Audio.
 *
 * The sound field is turned into the frame of the listener's head by nine gains (the rotation of
 * `rotate_to_view` in `yt360/ambisonics/transforms.py`), decoded to eight virtual loudspeakers on
 * the corners of a cube, and each of these is heard through the browser's head-related transfer
 * functions (HRTF). Everything works in an AudioContext and in an OfflineAudioContext.
 */

import { viewRotation } from "./projection.js";

export const MODES = ["binaural", "mono", "beam"];

const SIDE = 1 / Math.sqrt(3);
/** Directions of the virtual loudspeakers: x front, y left, z up. */
export const LOUDSPEAKERS = [1, -1].flatMap((x) =>
  [1, -1].flatMap((y) => [1, -1].map((z) => [x * SIDE, y * SIDE, z * SIDE])),
);
/** Gain of the components X, Y, Z against W in the signal of a loudspeaker. */
const COMPONENT_GAIN = 1.5;
/** Gains for which noise in front is as loud in all modes; measured with Chromium's HRTF. */
const MODE_GAINS = { binaural: 2.37, mono: 1, beam: 1 };
/** Time constants in seconds: of turning, and of switching. */
const TURN_S = 0.01;
const SWITCH_S = 0.015;

/**
 * A graph with one input of four channels (W, Y, Z, X; SN3D) and a stereo output.
 *
 * Modes: "binaural"; "mono" is W in both ears; "beam" is a cardioid to where the view looks, in
 * both ears.
 */
export class FieldRenderer {
  /**
   * @param context - AudioContext or OfflineAudioContext.
   * @param destination - Node that gets the stereo signal.
   */
  constructor(context, destination = context.destination) {
    this.context = context;
    this.mode = "binaural";
    this.nodes = [];
    this.output = this.#gain(1);
    this.output.connect(destination);
    this.input = this.#gain(1);
    this.input.channelCount = 4;
    this.input.channelCountMode = "explicit";
    this.input.channelInterpretation = "discrete";
    const split = this.#keep(context.createChannelSplitter(4));
    this.input.connect(split);

    // Output channel of the splitter for x, y, z.
    const channels = [3, 1, 2];
    const rotated = channels.map(() => this.#gain(1));
    this.rotation = rotated.map((sum, row) =>
      channels.map((channel, column) => {
        const gain = this.#gain(row === column ? 1 : 0);
        split.connect(gain, channel);
        gain.connect(sum);
        return gain.gain;
      }),
    );

    this.switches = Object.fromEntries(
      MODES.map((mode) => [mode, this.#gain(mode === this.mode ? MODE_GAINS[mode] : 0)]),
    );
    Object.values(this.switches).forEach((node) => node.connect(this.output));
    split.connect(this.switches.mono, 0);

    // Half W plus half of the component ahead.
    const half = this.#gain(0.5);
    split.connect(half, 0);
    rotated[0].connect(half);
    half.connect(this.switches.beam);

    for (const place of LOUDSPEAKERS) {
      const panner = this.#keep(
        new PannerNode(context, {
          panningModel: "HRTF",
          rolloffFactor: 0,
          // Web Audio: x right, y up, z backwards.
          positionX: -place[1],
          positionY: place[2],
          positionZ: -place[0],
        }),
      );
      panner.connect(this.switches.binaural);
      const w = this.#gain(1 / LOUDSPEAKERS.length);
      split.connect(w, 0);
      w.connect(panner);
      rotated.forEach((sum, axis) => {
        const gain = this.#gain((COMPONENT_GAIN * place[axis]) / LOUDSPEAKERS.length);
        sum.connect(gain);
        gain.connect(panner);
      });
    }
  }

  /**
   * Turn the head of the listener.
   *
   * @param view - {azimuth, elevation, roll} in radians.
   * @param when - Time of the context; null: now and at once, without a glide.
   */
  setView({ azimuth, elevation, roll = 0 }, when = this.context.currentTime) {
    const matrix = viewRotation(azimuth, elevation, roll);
    this.rotation.forEach((row, i) =>
      row.forEach((gain, j) => {
        if (when === null) gain.value = matrix[3 * i + j];
        else gain.setTargetAtTime(matrix[3 * i + j], when, TURN_S);
      }),
    );
  }

  /** Switch to one of `MODES`. */
  setMode(mode, when = this.context.currentTime) {
    this.mode = mode;
    for (const [name, node] of Object.entries(this.switches)) {
      const gain = name === mode ? MODE_GAINS[name] : 0;
      if (when === null) node.gain.value = gain;
      else node.gain.setTargetAtTime(gain, when, SWITCH_S);
    }
  }

  /** Set the volume in dB; -Infinity is silence. */
  setVolume(volumeDb) {
    const gain = 10 ** (volumeDb / 20);
    this.output.gain.setTargetAtTime(gain, this.context.currentTime, SWITCH_S);
  }

  /** Disconnect every node, so that the context can free them. */
  dispose() {
    this.nodes.forEach((node) => node.disconnect());
    this.nodes = [];
  }

  #keep(node) {
    this.nodes.push(node);
    return node;
  }

  #gain(value) {
    return this.#keep(new GainNode(this.context, { gain: value }));
  }
}
