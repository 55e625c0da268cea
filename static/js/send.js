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
  request.addEventListener("load", () => {
    if (request.status < 400) onSent?.();
    show(request, body.get("file"));
  });
  request.addEventListener("error", () => {
    busy(false);
    const problem = part("problem");
    problem.textContent = "The server could not be reached, and nothing was analysed. Check the connection, then try again.";
    problem.hidden = false;
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
  request.send(body);
}

function show(request, file) {
  const kept = request.responseURL && request.responseURL !== document.getElementById("give").action;
  if (kept && request.status < 400) {
    location.assign(request.responseURL);
    return;
  }
  // Nothing was kept, or it went wrong: the answer has no address, so it takes this page's place.
  const page = new DOMParser().parseFromString(request.responseText, "text/html");
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
