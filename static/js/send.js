// Sends the form with visible progress, then shows the answer, whether it has an address or not.

import { setUpResult } from "./result.js";

export function send(form, body, what, { onLost, onSent } = {}) {
  const part = (name) => form.querySelector(`[data-part="${name}"]`);
  const request = new XMLHttpRequest();

  const say = (title, state) => {
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
    say("Analysing", `Listening to ${what}. A long recording takes a little while.`);
  };

  request.upload.addEventListener("progress", ({ loaded, total, lengthComputable }) => {
    if (lengthComputable) part("progress").value = loaded / total;
  });
  request.upload.addEventListener("load", analysing);
  request.addEventListener("progress", () => {
    const share = lines(request).findLast((line) => "progress" in line)?.progress;
    if (share) part("progress").value = share;
  });
  request.addEventListener("load", () => {
    const last = streamed(request) ? lines(request).at(-1) : null;
    if (streamed(request) && (!last || last.error)) {
      stop(last ? `${last.error.message} ${last.error.hint}` : LOST);
      return;
    }
    if (request.status < 400) onSent?.();
    show(request, last, body.get("file"));
  });
  request.addEventListener("error", () => {
    stop(LOST);
    onLost?.();
  });
  request.addEventListener("abort", () => busy(false));
  part("sending").querySelector('[data-action="cancel"]').onclick = () => request.abort();

  for (const audio of document.querySelectorAll("audio")) audio.pause();
  busy(true);
  part("progress").value = 0;
  say("Sending", `On its way: ${what}.`);
  part("sending-title").focus();
  form.scrollIntoView({ block: "center" });
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/x-ndjson, text/html");
  request.send(body);
}

const LOST = "The server could not be reached, and nothing was analysed. Check the connection, then try again.";

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
    document.querySelector("main").textContent = `The server answered with status ${request.status}. Load the page again, then try once more.`;
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
