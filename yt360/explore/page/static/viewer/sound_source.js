/** Plays a decoded sound from a moment on, with short fades, so that nothing clicks. */

const FADE_S = 0.004;

export class SoundSource {
  /**
   * @param context - AudioContext.
   * @param output - AudioNode that gets the channels.
   */
  constructor(context, output) {
    this.context = context;
    this.output = output;
    this.source = null;
  }

  get isPlaying() {
    return this.source !== null;
  }

  /**
   * Start, after `stop` if something plays.
   *
   * @param buffer - AudioBuffer.
   * @param loop - Whether it is repeated.
   * @param speed - Factor; the pitch follows it.
   * @param when - Time of the context.
   * @param time - Second of the buffer that is heard then.
   */
  start({ buffer, loop, speed, when, time }) {
    const { context } = this;
    const source = new AudioBufferSourceNode(context, { buffer, loop, playbackRate: speed });
    const fade = new GainNode(context, { gain: 0 });
    source.connect(fade).connect(this.output);
    fade.gain.setValueAtTime(0, when);
    fade.gain.linearRampToValueAtTime(1, when + FADE_S);
    source.start(when, Math.min(time, buffer.duration));
    source.onended = () => {
      fade.disconnect();
    };
    this.source = source;
    this.fade = fade;
  }

  /** Set the speed from a time of the context on. */
  setSpeed(speed, when) {
    this.source?.playbackRate.setValueAtTime(speed, when);
  }

  stop() {
    if (!this.source) return;
    const now = this.context.currentTime;
    this.fade.gain.cancelScheduledValues(now);
    this.fade.gain.setTargetAtTime(0, now, FADE_S);
    this.source.stop(now + 8 * FADE_S);
    this.source = null;
  }
}
