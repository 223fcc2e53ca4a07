/**
 * Plays a clip: sound by Web Audio, and video that follows the clock of the sound.
 *
 * The audio context's output is the only clock. The video element has no sound of its own; its speed
 * is adjusted by some percent so that it stays with the sound, and it seeks if it is far off.
 */

import { SoundSource } from "./sound_source.js";

/** Seconds from the decision to start until the sound starts. */
const START_LEAD_S = 0.03;
/** Differences in seconds: the speed stays, the speed is adjusted, the video seeks. */
const CLOSE_S = 0.003;
const FAR_S = 0.25;
/** Adjustment of the speed per second of difference, and its limit. */
const STIFFNESS = 4;
const MOST_ADJUSTMENT = 0.25;
/** After a start or a seek, so many seconds do not count as drift. */
const SETTLING_S = 0.5;

export class Player {
  /**
   * @param context - AudioContext.
   * @param video - HTMLVideoElement; its source is set by others.
   * @param output - AudioNode that gets the clip's channels.
   * @param onChange - Called without arguments when playing starts or stops.
   * @param now - Clock in milliseconds, that of `performance.now`.
   */
  constructor({ context, video, output, onChange = () => {}, now = () => performance.now() }) {
    this.context = context;
    this.video = video;
    this.sound = new SoundSource(context, output);
    this.now = now;
    this.onChange = onChange;
    this.speed = 1;
    this.loop = true;
    this.seekSeconds = 0.05;
    this.unload();
    this.onState = () => {
      if (this.playing && this.sound.isPlaying && context.state !== "running") this.pause();
    };
    context.addEventListener("statechange", this.onState);
  }

  /** Take a clip, paused at its beginning. `fps` is the video's. */
  load({ duration, fps }) {
    this.unload();
    this.duration = duration;
    this.fps = fps;
  }

  /** Set the decoded sound, as long as the clip (null: none), at any time after `load`. */
  setSound(buffer) {
    this.buffer = buffer;
    if (this.running) this.follow(this.time());
  }

  /** Say that the video can be played (false: it is broken or not there yet). */
  setVideoReady(ready) {
    this.videoReady = ready;
    if (!ready) return;
    if (this.playing) this.#restart();
    else this.#seekVideo(this.position);
  }

  /** Stop and forget the clip. */
  unload() {
    this.attempt = (this.attempt ?? 0) + 1;
    this.#halt();
    this.playing = false;
    this.position = 0;
    this.duration = 0;
    this.fps = 16;
    this.buffer = null;
    this.videoReady = false;
    this.#resetDrift();
  }

  /** Return the second of the clip that is heard now. */
  time() {
    if (!this.running) return this.position;
    const time = this.anchor.time + (this.#heardAt() - this.anchor.heardAt) * this.speed;
    if (this.loop) return ((time % this.duration) + this.duration) % this.duration;
    return Math.max(0, Math.min(this.duration, time));
  }

  /**
   * Start. Returns false if the browser does not allow sound before the user acts.
   */
  async play() {
    if (this.playing || !this.duration) return this.playing;
    if (!this.loop && this.position >= this.duration - 0.5 / this.fps) this.position = 0;
    this.playing = true;
    return this.#start();
  }

  /** Stop where it is. */
  pause() {
    if (!this.playing) return;
    this.position = this.time();
    this.attempt += 1;
    this.#halt();
    this.playing = false;
    if (this.videoReady) this.#seekVideo(this.position);
    this.onChange();
  }

  /** Go to a second of the clip; playing continues. */
  async seek(time) {
    this.position = Math.max(0, Math.min(this.duration, time));
    if (this.playing) await this.#restart(this.position);
    else if (this.videoReady) await this.#seekVideo(this.position);
  }

  /**
   * Come to a second without a pause, as to stay in step with another player.
   *
   * The sound jumps at once and the video catches up.
   */
  follow(time) {
    if (!this.running) {
      this.seek(time);
      return;
    }
    const when = this.context.currentTime + START_LEAD_S;
    const start = (time + (when - this.#heardAt()) * this.speed) % this.duration;
    this.sound.stop();
    this.anchor = { time: start, heardAt: when };
    this.lastTime = time;
    this.#resetDrift();
    this.#startSound(when, start);
  }

  /** Pause and go `count` frames on, or back if negative. */
  async step(count) {
    this.pause();
    const last = Math.max(0, Math.round(this.duration * this.fps) - 1);
    const frame = Math.floor(this.position * this.fps + 1e-3) + count;
    this.position = Math.max(0, Math.min(last, frame)) / this.fps;
    if (this.videoReady) await this.#seekVideo(this.position);
  }

  /** Set the speed, as a factor. The pitch of the sound follows it. */
  setSpeed(speed) {
    if (speed === this.speed) return;
    if (this.running) {
      const now = this.context.currentTime;
      const { time, heardAt } = this.anchor;
      this.anchor = { time: time + (now - heardAt) * this.speed, heardAt: now };
      this.sound.setSpeed(speed, now);
      this.video.playbackRate = speed;
      this.#resetDrift();
    }
    this.speed = speed;
  }

  /** Repeat the clip or stop at its end. */
  setLoop(loop) {
    if (loop === this.loop) return;
    const time = this.time();
    this.loop = loop;
    if (this.running) this.follow(time);
  }

  /** Keep the video with the sound. Call it once for each frame of the display. */
  tick() {
    if (!this.running) return;
    const time = this.time();
    if (!this.loop && time >= this.duration) {
      this.position = this.duration;
      this.attempt += 1;
      this.#halt();
      this.playing = false;
      this.onChange();
      return;
    }
    const wrapped = time < this.lastTime - this.duration / 2;
    this.lastTime = time;
    if (!this.videoReady || this.video.seeking) return;
    const drift = this.video.currentTime - time;
    const now = this.now();
    if (wrapped || Math.abs(drift) > FAR_S) {
      if (now < this.nextSeek) return;
      this.nextSeek = now + 400;
      this.#resetDrift();
      this.#followBySeeking(time);
      return;
    }
    this.drift = drift;
    if (now > this.settledAt) this.worstDrift = Math.max(this.worstDrift, Math.abs(drift));
    const wanted = Math.max(-MOST_ADJUSTMENT, Math.min(MOST_ADJUSTMENT, drift * STIFFNESS));
    const rate = Math.abs(drift) < CLOSE_S ? this.speed : this.speed * (1 - wanted);
    if (Math.abs(rate - this.video.playbackRate) > 0.004) this.video.playbackRate = rate;
  }

  /** Stop and let go of the context. */
  dispose() {
    this.unload();
    this.context.removeEventListener("statechange", this.onState);
  }

  /** Return the time of the context whose sound leaves the loudspeakers now. */
  #heardAt() {
    const { context } = this;
    const stamp = context.getOutputTimestamp?.();
    if (stamp?.contextTime > 0 && stamp.performanceTime > 0) {
      const heard = stamp.contextTime + (this.now() - stamp.performanceTime) / 1000;
      // A device that has just been resumed may report an old time.
      if (heard <= context.currentTime && heard > context.currentTime - 1) return heard;
    }
    return context.currentTime - (context.outputLatency || context.baseLatency || 0);
  }

  async #start() {
    const attempt = ++this.attempt;
    const { context, video } = this;
    if (context.state !== "running") {
      // Without a gesture of the user, resume() waits for one.
      await Promise.race([context.resume(), new Promise((done) => setTimeout(done, 1000))]);
      if (attempt !== this.attempt) return this.playing;
      if (context.state !== "running") {
        this.playing = false;
        this.onChange();
        return false;
      }
    }
    let from = this.position;
    if (this.videoReady) {
      if (Math.abs(video.currentTime - from) > 0.5 / this.fps || video.ended) {
        await this.#seekVideo(from);
      }
      video.playbackRate = this.speed;
      await video.play().catch(() => {});
      if (attempt !== this.attempt) return this.playing;
      if (Math.abs(video.currentTime - from) < FAR_S) from = video.currentTime;
    }
    const when = context.currentTime + START_LEAD_S;
    const time = (from + (when - this.#heardAt()) * this.speed) % this.duration;
    this.anchor = { time, heardAt: when };
    this.lastTime = this.position;
    this.running = true;
    this.#resetDrift();
    this.#startSound(when, time);
    this.onChange();
    return true;
  }

  #startSound(when, time) {
    const { buffer, loop, speed } = this;
    if (buffer) this.sound.start({ buffer, loop, speed, when, time });
  }

  /** Stop sound and video, and leave the position as it is. */
  #halt() {
    this.sound.stop();
    this.running = false;
    this.video.pause();
  }

  async #restart(position = this.time()) {
    this.position = position;
    this.#halt();
    await this.#start();
  }

  /** Show the frame at a second; resolves when it is there, or after a second. */
  #seekVideo(time) {
    const { video } = this;
    const started = this.now();
    return new Promise((done) => {
      const finish = () => {
        clearTimeout(timer);
        video.removeEventListener("seeked", finish);
        this.seekSeconds += 0.3 * ((this.now() - started) / 1000 - this.seekSeconds);
        done();
      };
      const timer = setTimeout(finish, 1000);
      video.addEventListener("seeked", finish);
      // Just inside the frame, so that rounding does not show the one before.
      video.currentTime = Math.min(time + 0.002, Math.max(0, this.duration - 0.5 / this.fps));
    });
  }

  async #followBySeeking(time) {
    const attempt = this.attempt;
    await this.#seekVideo((time + this.seekSeconds * this.speed) % this.duration);
    if (attempt === this.attempt && this.running && this.video.paused) {
      await this.video.play().catch(() => {});
    }
  }

  #resetDrift() {
    this.drift = 0;
    this.worstDrift = 0;
    this.nextSeek = 0;
    this.settledAt = this.now() + 1000 * SETTLING_S;
  }
}
