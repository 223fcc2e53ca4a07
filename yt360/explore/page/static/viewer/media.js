/** Fetches the members of a clip. Each error's message is a sentence for the user. */

/** Larger videos are streamed by byte ranges instead of held in memory. */
const MOST_HELD_BYTES = 48 * 2 ** 20;

let sharedContext = null;

/** Return the page's AudioContext. There is one, so that all viewers share a clock. */
export function audioContext() {
  sharedContext ??= new AudioContext({ latencyHint: "interactive" });
  return sharedContext;
}

/** Fetch one member. `what` names it in the error. */
export async function fetchMember(url, what, signal) {
  const response = await fetch(url, { signal });
  if (!response.ok) throw new Error(`${what} is not available (HTTP ${response.status})`);
  return response;
}

/**
 * Fetch and decode a clip's four channels at the sample rate of the context.
 *
 * @param duration - Seconds of the clip: the sound is cut or continued by silence to them; 0: unknown.
 */
export async function loadSound(context, url, duration, signal) {
  const response = await fetchMember(url, "The sound", signal);
  const bytes = await response.arrayBuffer();
  const buffer = await context.decodeAudioData(bytes).catch(() => {
    throw new Error("The sound does not decode");
  });
  if (buffer.numberOfChannels !== 4) {
    throw new Error(`The sound has ${buffer.numberOfChannels} channels instead of 4`);
  }
  return withDuration(buffer, duration);
}

/** Return a buffer of a duration with the samples of another. */
function withDuration(buffer, duration) {
  const length = Math.round(duration * buffer.sampleRate);
  if (!length || length === buffer.length) return buffer;
  const { numberOfChannels, sampleRate } = buffer;
  const fitted = new AudioBuffer({ numberOfChannels, sampleRate, length });
  for (let channel = 0; channel < numberOfChannels; channel += 1) {
    fitted.copyToChannel(buffer.getChannelData(channel).subarray(0, length), channel);
  }
  return fitted;
}

/**
 * Give a video element its source and wait for the first frame.
 *
 * A short video is held in memory, so every frame is at hand without a request, even if the server
 * knows no byte ranges.
 *
 * @returns A function that frees what is held.
 */
export async function loadVideo(video, url, signal) {
  const response = await fetchMember(url, "The video", signal);
  let source = url;
  if (Number(response.headers.get("Content-Length") ?? Infinity) <= MOST_HELD_BYTES) {
    source = URL.createObjectURL(new Blob([await response.arrayBuffer()], { type: "video/mp4" }));
  } else {
    await response.body?.cancel();
  }
  const release = () => source.startsWith("blob:") && URL.revokeObjectURL(source);
  try {
    signal?.throwIfAborted();
    await firstFrame(video, source, signal);
  } catch (error) {
    release();
    throw error;
  }
  return release;
}

function firstFrame(video, source, signal) {
  return new Promise((done, fail) => {
    const settle = (outcome, value) => {
      video.removeEventListener("loadeddata", onLoaded);
      video.removeEventListener("error", onError);
      signal?.removeEventListener("abort", onAbort);
      outcome(value);
    };
    const onLoaded = () => settle(done);
    // An event without an error is a late one, of the source before.
    const onError = () =>
      video.error && settle(fail, new Error("The video does not play in this browser"));
    const onAbort = () => settle(fail, signal.reason);
    video.addEventListener("loadeddata", onLoaded);
    video.addEventListener("error", onError);
    signal?.addEventListener("abort", onAbort);
    video.src = source;
    video.load();
  });
}
