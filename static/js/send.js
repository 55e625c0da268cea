// Sends the form with visible progress, then shows the answer, whether it has an address or not.

import { setUpResult } from "./result.js";
import { say } from "./words.js";

export function send(form, body, what, { onLost, onSent } = {}) {
  const part = (name) => form.querySelector(`[data-part="${name}"]`);
  const request = new XMLHttpRequest();

  const tell = (title, state) => {
    part("sending-title").textContent = title;
    part("sending-state").textContent = state;
    part("progress").setAttribute("aria-label", title);
  };
  const stop = (text) => {
    busy(false);
    const problem = part("problem");
    problem.textContent = text;
    problem.hidden = false;
  };
  const busy = (on) => {
    for (const child of form.querySelectorAll(".ways, .keep, .more")) child.hidden = on;
    part("sending").hidden = !on;
  };
  const analysing = () => {
    part("progress").removeAttribute("value");
    tell(say("send.analysing"), say("send.listening", { what }));
  };

  request.upload.addEventListener("progress", ({ loaded, total, lengthComputable }) => {
    if (lengthComputable) part("progress").value = loaded / total;
  });
  request.upload.addEventListener("load", analysing);
  // From the first line on the analysis has an address: loading the page again finds it there.
  const front = location.pathname;
  let running = null;
  const leave = () => {
    if (running) history.replaceState(null, "", front);
    running = null;
  };

  request.addEventListener("progress", () => {
    const told = lines(request);
    if (!running && told[0]?.running) {
      history.pushState(null, "", (running = told[0].running));
      onSent?.();
    }
    const share = told.findLast((line) => "progress" in line)?.progress;
    if (share) part("progress").value = share;
  });
  request.addEventListener("load", () => {
    const last = streamed(request) ? lines(request).at(-1) : null;
    if (streamed(request) && (!last || last.error)) {
      if (running) onLost?.();
      leave();
      stop(last ? `${last.error.message} ${last.error.hint}` : say("send.lost"));
      return;
    }
    if (request.status < 400) onSent?.();
    show(request, last, body.get("file"));
  });
  request.addEventListener("error", () => {
    leave();
    stop(say("send.lost"));
    onLost?.();
  });
  request.addEventListener("abort", () => busy(false));
  part("sending").querySelector('[data-action="cancel"]').onclick = () => {
    if (running) fetch(`${running}/delete`, { method: "POST", body: new URLSearchParams({ csrf_token: body.get("csrf_token") }), redirect: "manual" });
    leave();
    request.abort();
  };

  for (const audio of document.querySelectorAll("audio")) audio.pause();
  busy(true);
  part("progress").value = 0;
  tell(say("send.sending"), say("send.under-way", { what }));
  part("sending-title").focus();
  form.scrollIntoView({ block: "center" });
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/x-ndjson, text/html");
  request.send(body);
}

const streamed = (request) => request.getResponseHeader("Content-Type")?.startsWith("application/x-ndjson");

// What has come so far, without a line that is still on its way.
function lines(request) {
  if (!streamed(request)) return [];
  return request.responseText.split("\n").slice(0, -1).map((line) => JSON.parse(line));
}

function show(request, last, file) {
  if (last?.location) {
    location.assign(last.location);
    return;
  }
  // Nothing was kept, or it went wrong: the answer has no address, so it takes this page's place.
  const page = new DOMParser().parseFromString(last?.page ?? request.responseText, "text/html");
  const main = page.querySelector("main");
  if (!main) {
    document.querySelector("main").textContent = say("send.odd", request);
    return;
  }
  history.pushState(null, "", "#answer");
  addEventListener("popstate", () => location.reload());
  document.title = page.title;
  document.querySelector("main").replaceWith(document.adoptNode(main));
  scrollTo(0, 0);
  main.querySelector("h1")?.focus();
  playFromHere(main, file);
  setUpResult(main);
}

// A long clip does not come back inside the page, but this browser still has it.
function playFromHere(main, file) {
  const player = main.querySelector("[data-player][hidden]");
  if (!player || !file) return;
  player.src = URL.createObjectURL(file);
  player.hidden = false;
  main.querySelector("[data-no-player]").hidden = true;
}
