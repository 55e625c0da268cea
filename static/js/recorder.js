// Records from the microphone: ask, record with a level meter, listen again, send.

import { followLevel } from "./level.js";
import { followEmotion } from "./live.js";

// The browser's own choice of these; the server tells formats by their content.
const TYPES = [
  ["audio/webm;codecs=opus", "recording.webm"],
  ["audio/mp4", "recording.m4a"],
  ["audio/ogg;codecs=opus", "recording.ogg"],
];

const REFUSALS = {
  NotAllowedError: "The microphone is blocked for this page. Allow it in the browser’s address bar, then press record again.",
  NotFoundError: "No microphone was found. Connect one and press record again, or choose a file.",
  NotReadableError: "The microphone is in use by another program. Close that one, then press record again.",
};

const QUIET_AFTER_S = 3;
const QUIET_LEVEL = 0.02;

export function setUpRecorder(root, { maxSeconds, live, onSend }) {
  const button = root.querySelector(".record");
  const name = root.querySelector('[data-part="name"]');
  const state = root.querySelector(".record-state");
  const time = root.querySelector(".record-time");
  const trace = root.querySelector(".trace");
  const review = root.querySelector(".review");
  const player = review.querySelector("audio");
  const panel = root.querySelector("[data-live]");
  const wanted = root.querySelector("[data-live-wanted]");
  let recorder = null;
  let recording = null;

  const cannot = (why) => {
    root.querySelector('[data-part="live"]').hidden = wanted.closest(".check").hidden = true;
    state.textContent = why;
  };

  root.hidden = false;
  if (!isSecureContext || !navigator.mediaDevices?.getUserMedia) {
    cannot("Browsers allow recording only on pages opened over HTTPS or on this computer itself. Choosing a file works here.");
    return;
  }
  if (!globalThis.MediaRecorder) {
    cannot("This browser cannot record. Record with another program, then choose the file.");
    return;
  }

  function enter(next, text) {
    button.dataset.state = next;
    name.textContent = next === "recording" ? "Stop recording" : "Record";
    state.textContent = text;
    time.hidden = trace.hidden = next !== "recording";
    review.hidden = next !== "review";
    wanted.closest(".check").hidden = next !== "idle" && next !== "asking";
    root.querySelector('[data-part="live"]').hidden = next === "review";
  }

  async function start() {
    enter("asking", "Waiting for the microphone. The browser may ask you to allow it.");
    try {
      // Untouched sound: the browser's clean-up changes the tone that is listened for.
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
      });
      record(stream);
    } catch (error) {
      enter("idle", REFUSALS[error.name] ?? "The microphone could not be opened. Try again, or choose a file.");
    }
  }

  function record(stream) {
    const [type, filename] = TYPES.find(([type]) => MediaRecorder.isTypeSupported(type)) ?? ["", "recording"];
    const pieces = [];
    recorder = new MediaRecorder(stream, type ? { mimeType: type } : {});
    recorder.addEventListener("dataavailable", ({ data }) => pieces.push(data));
    const stopMeter = watch(stream);
    // Without it the recording is all the same.
    const following = wanted.checked ? followEmotion(stream, panel, live()).catch(() => null) : null;
    recorder.addEventListener("stop", () => {
      stopMeter();
      panel.hidden = true;
      following?.then((stopFollowing) => stopFollowing?.());
      for (const track of stream.getTracks()) track.stop();
      recording = new File(pieces, filename, { type: recorder.mimeType });
      offer();
    });
    for (const track of stream.getTracks()) track.addEventListener("ended", stop);
    recorder.start();
    enter("recording", "Recording. Press again to stop.");
  }

  function watch(stream) {
    const began = performance.now();
    let loudest = 0;
    let shown = -1;
    return followLevel(stream, trace, (level) => {
      button.style.setProperty("--level", level.toFixed(3));
      loudest = Math.max(loudest, level);
      const seconds = Math.floor((performance.now() - began) / 1000);
      if (seconds === shown) return;
      shown = seconds;
      time.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
      if (seconds === QUIET_AFTER_S && loudest < QUIET_LEVEL) {
        state.textContent = "Recording, but hardly anything is heard. Is the right microphone on?";
      }
      if (seconds >= maxSeconds) stop();
    });
  }

  function stop() {
    if (recorder?.state === "recording") recorder.stop();
  }

  function offer() {
    button.style.setProperty("--level", 0);
    if (player.src) URL.revokeObjectURL(player.src);
    player.src = URL.createObjectURL(recording);
    enter("review", "Recorded. Listen to it, or send it as it is.");
    review.querySelector('[data-action="send"]').focus();
  }

  button.addEventListener("click", () => {
    if (button.dataset.state === "recording") stop();
    else if (button.dataset.state === "idle") start();
  });
  review.querySelector('[data-action="send"]').addEventListener("click", () => onSend(recording));
  review.querySelector('[data-action="again"]').addEventListener("click", () => {
    player.pause();
    button.focus();
    start();
  });
}
