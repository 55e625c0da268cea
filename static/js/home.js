// The front page: wires file, drop, recorder and samples to one form that also works without this.

import { setUpClips } from "./clips.js";
import { setUpFile } from "./file.js";
import { setUpRecorder } from "./recorder.js";
import { send } from "./send.js";

document.documentElement.classList.add("js");

const form = document.getElementById("give");

setUpClips(document.querySelectorAll("[data-clip]"));

const chosenFile = setUpFile(form);

setUpRecorder(form.querySelector("[data-recorder]"), {
  maxSeconds: Number(form.dataset.maxSeconds),
  live: () => ({
    address: `${form.dataset.liveAddress}?model=${form.elements.model?.value ?? ""}`,
    names: JSON.parse(form.dataset.names),
  }),
  onSend: (recording) => sendForm({ file: recording }, "your recording"),
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const sample = event.submitter?.name === "sample" ? event.submitter : null;
  if (sample) {
    sendForm({ sample: sample.value }, `“${sample.closest("[data-clip]").dataset.clip}”`);
    return;
  }
  const file = chosenFile();
  if (file) sendForm({ file }, `“${file.name}”`);
});

function sendForm({ file, sample }, what) {
  const body = new FormData();
  body.set("csrf_token", form.elements.csrf_token.value);
  body.set("keep", form.elements.keep.checked ? "0" : "1");
  if (form.elements.model) body.set("model", form.elements.model.value);
  if (sample) body.set("sample", sample);
  if (file) body.set("file", file, file.name);
  send(form, body, what);
}

// A page that comes back from the browser's cache may still show a sending that is over.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
