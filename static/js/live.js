// While the microphone records: every second the last seconds are answered, calmly in their changes.

import { say } from "./words.js";

const RATE_HZ = 16000;
const HEARD_S = 4;
const LEAST_S = 1;
const EVERY_MS = 1000;
const STEPS = 40;
const NEW_SHARE = 0.45;
const STAY_MARGIN = 0.08;
const LEAST_SHARE = 0.4;

// Follows a stream until the returned function is called. `panel` holds [data-says] and [data-steps].
export async function followEmotion(stream, panel, { address, token, names }) {
  const context = new AudioContext();
  const says = panel.querySelector("[data-says]");
  const steps = panel.querySelector("[data-steps]");
  const pieces = [];
  const calm = smoother();
  let waiting = false;
  let ended = false;

  steps.replaceChildren();
  tell(says, say("live.listening"));
  panel.hidden = false;
  panel.scrollIntoView({ block: "nearest" });
  await context.audioWorklet.addModule(new URL("capture.js", import.meta.url));
  const capture = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
  capture.port.onmessage = ({ data }) => {
    pieces.push(data);
    if (pieces.length > HEARD_S * 10) pieces.shift();
  };
  context.createMediaStreamSource(stream).connect(capture);

  const timer = setInterval(async () => {
    if (waiting || pieces.length < LEAST_S * 10) return;
    waiting = true;
    try {
      const body = await asPcm(pieces, context.sampleRate);
      const response = await fetch(address, { method: "POST", body, headers: { "Content-Type": `audio/L16;rate=${RATE_HZ}`, "X-CSRFToken": token } });
      if (!ended && response.ok) show(await response.json());
      else if (!ended) tell(says, say("live.busy"));
    } catch {
      if (!ended) tell(says, say("live.lost"));
    } finally {
      waiting = false;
    }
  }, EVERY_MS);

  function show(answer) {
    const { label, share } = calm(answer.probabilities);
    tell(says, label ? say("live.sounds", { emotion: names[label] }) : say(heard(answer) ? "live.unsure" : "live.listening"));
    const step = document.createElement("li");
    if (label) {
      step.className = `emotion-${label}`;
      step.style.setProperty("--share", share.toFixed(2));
    }
    steps.append(step);
    if (steps.children.length > STEPS) steps.firstChild.remove();
  }

  return () => {
    ended = true;
    clearInterval(timer);
    context.close();
  };
}

const heard = (answer) => Object.keys(answer.probabilities).length > 0;

// A screen reader hears a change, not a repetition.
function tell(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Averages answers over time; the label changes only when another is clearly ahead.
export function smoother() {
  let mean = null;
  let current = null;
  return (probabilities) => {
    const labels = Object.keys(probabilities);
    if (!labels.length) {
      mean = current = null;
      return { label: null, share: 0 };
    }
    mean = Object.fromEntries(labels.map((label) => [label, mean ? (1 - NEW_SHARE) * mean[label] + NEW_SHARE * probabilities[label] : probabilities[label]]));
    const best = labels.reduce((first, second) => (mean[second] > mean[first] ? second : first));
    if (mean[best] < LEAST_SHARE) current = null;
    else if (!current || mean[best] > mean[current] + STAY_MARGIN) current = best;
    return { label: current, share: current ? mean[current] : 0 };
  };
}

// Joins pieces and brings them to 16 kHz, which the browser does better than a loop would.
async function asPcm(pieces, rate) {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const offline = new OfflineAudioContext(1, Math.floor((length / rate) * RATE_HZ), RATE_HZ);
  const buffer = offline.createBuffer(1, length, rate);
  let start = 0;
  for (const piece of pieces) {
    buffer.copyToChannel(piece, 0, start);
    start += piece.length;
  }
  const source = new AudioBufferSourceNode(offline, { buffer });
  source.connect(offline.destination);
  source.start();
  const samples = (await offline.startRendering()).getChannelData(0);
  return Int16Array.from(samples, (sample) => Math.max(-1, Math.min(1, sample)) * 32767);
}
