// Choosing or dropping a file; type and size are checked before anything is sent.

import { decimal, say } from "./words.js";

const SUFFIXES = /\.(wav|wave|mp3|m4a|m4b|mp4|mov|mkv|aac|ogg|oga|opus|webm|weba|flac|amr|3gp|caf|aif|aiff|wma)$/i;

export function setUpFile(form) {
  const input = form.elements.file;
  const chosen = form.querySelector('[data-part="chosen"]');
  const problem = form.querySelector('[data-part="problem"]');
  const analyse = form.querySelector('[data-action="analyse"]');
  const maxMb = Number(form.dataset.maxMb);

  function check(file) {
    if (file.size === 0) return say("file.empty", file);
    if (file.size > maxMb * 1024 * 1024) {
      return say("file.large", { name: file.name, size: megabytes(file.size), limit: maxMb });
    }
    if (!/^(audio|video)\//.test(file.type) && !SUFFIXES.test(file.name)) {
      return say("file.foreign", file);
    }
    return "";
  }

  function show() {
    const file = input.files[0];
    chosen.textContent = file ? `${file.name}, ${megabytes(file.size)}` : "";
    const text = file ? check(file) : "";
    tell(text);
    analyse.hidden = !file || text !== "";
  }

  function tell(text) {
    problem.textContent = text;
    problem.hidden = !text;
  }

  input.addEventListener("change", show);
  show();
  takeDrops(form, input, show);

  return () => {
    const file = input.files[0];
    return file && !check(file) ? file : null;
  };
}

function takeDrops(form, input, show) {
  form.querySelector("[data-drop-hint]").hidden = !matchMedia("(any-pointer: fine)").matches;
  let depth = 0;
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  const mark = (change) => {
    depth = Math.max(0, depth + change);
    form.classList.toggle("dragging", depth > 0);
  };
  addEventListener("dragenter", (event) => carriesFiles(event) && mark(1));
  addEventListener("dragleave", (event) => carriesFiles(event) && mark(-1));
  addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    mark(-depth);
    const only = new DataTransfer();
    only.items.add(event.dataTransfer.files[0]);
    input.files = only.files;
    show();
    form.querySelector('[data-action="analyse"]').focus();
  });
}

function megabytes(bytes) {
  const value = bytes / (1024 * 1024);
  return value < 0.1 ? `${Math.max(1, Math.round(bytes / 1024))} kB` : `${decimal(value)} MB`;
}
