// Records from the microphone: ask, record with a level meter, listen again, send.

import { followLevel } from "./level.js";
import { followEmotion } from "./live.js";
import { knows, say } from "./words.js";

// The browser's own choice of these; the server tells formats by their content.
const TYPES = [
  ["audio/webm;codecs=opus", "recording.webm"],
  ["audio/mp4", "recording.m4a"],
  ["audio/ogg;codecs=opus", "recording.ogg"],
];

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
    cannot(say("record.insecure"));
    return;
  }
  if (!globalThis.MediaRecorder) {
    cannot(say("record.unable"));
    return;
  }

  function enter(next, text) {
    button.dataset.state = next;
    name.textContent = say(next === "recording" ? "record.stop" : "record.start");
    state.textContent = text;
    time.hidden = trace.hidden = next !== "recording";
    review.hidden = next !== "review";
    wanted.closest(".check").hidden = next !== "idle" && next !== "asking";
    root.querySelector('[data-part="live"]').hidden = next === "review";
  }

  async function start() {
    enter("asking", say("record.asking"));
    try {
      // Untouched sound: the browser's clean-up changes the tone that is listened for.
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
      });
      record(stream);
    } catch (error) {
      const key = `record.${error.name}`;
      enter("idle", say(knows(key) ? key : "record.refused"));
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
    enter("recording", say("record.going"));
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
        state.textContent = say("record.quiet");
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
    enter("review", say("record.done"));
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
