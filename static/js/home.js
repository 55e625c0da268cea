// The front page: wires file, drop, recorder and samples to one form that also works without this.

import { setUpClips } from "./clips.js";
import { setUpFile } from "./file.js";
import { setUpRecorder } from "./recorder.js";
import { send } from "./send.js";
import { forgetWaiting, keepWaiting, setUpWaiting, takeShared } from "./waiting.js";
import { say } from "./words.js";

document.documentElement.classList.add("js");

const form = document.getElementById("give");

setUpClips(document.querySelectorAll("[data-clip]"));

const chosenFile = setUpFile(form);

setUpRecorder(form.querySelector("[data-recorder]"), {
  maxSeconds: Number(form.dataset.maxSeconds),
  live: () => ({
    address: `${form.dataset.liveAddress}?model=${form.elements.model?.value ?? ""}`,
    token: form.elements.csrf_token.value,
    names: JSON.parse(form.dataset.names),
  }),
  onSend: sendRecording,
});

const showWaiting = await setUpWaiting(document.querySelector("[data-waiting]"), { onSend: sendRecording });

const given = await takeShared();
if (given) {
  const only = new DataTransfer();
  only.items.add(given);
  form.elements.file.files = only.files;
  form.elements.file.dispatchEvent(new Event("change"));
  form.querySelector('[data-action="analyse"]').focus();
}

// A recording that cannot be sent is kept here until it can.
function sendRecording(recording) {
  sendForm({ file: recording }, say("send.recording"), {
    onLost: () => keepWaiting(recording).then(showWaiting),
    onSent: forgetWaiting,
  });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const sample = event.submitter?.name === "sample" ? event.submitter : null;
  if (sample) {
    sendForm({ sample: sample.value }, say("file.quoted", { name: sample.closest("[data-clip]").dataset.clip }));
    return;
  }
  const file = chosenFile();
  if (file) sendForm({ file }, say("file.quoted", { name: file.name }));
});

async function sendForm({ file, sample }, what, events = {}) {
  const body = new FormData();
  body.set("csrf_token", await token());
  body.set("keep", form.elements.keep.checked ? "0" : "1");
  if (form.elements.model) body.set("model", form.elements.model.value);
  if (sample) body.set("sample", sample);
  if (file) body.set("file", file, file.name);
  send(form, body, what, events);
}

// The page may come from the service worker, with the token of a session that is over.
async function token() {
  const own = form.elements.csrf_token;
  if (!navigator.serviceWorker?.controller) return own.value;
  try {
    const page = new DOMParser().parseFromString(await (await fetch("/", { cache: "no-store" })).text(), "text/html");
    own.value = page.querySelector("[name=csrf_token]").value;
  } catch {
    // Without a connection the sending fails, too, and says so.
  }
  return own.value;
}

// A page that comes back from the browser's cache may still show a sending that is over.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
