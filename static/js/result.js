// The result page: the clip's player and the timeline move together.

import { decimal, say } from "./words.js";

export function setUpResult(root) {
  const player = root.querySelector("[data-player]");
  const chart = root.querySelector(".timeline");
  setUpPrint(root);
  if (!player) return;
  sendAgain(root, player);
  if (!chart) return;
  setUpTimeline(root, player, chart);
  setUpParts(root, player);
}

function setUpPrint(root) {
  const button = root.querySelector("[data-print]");
  button.hidden = false;
  button.addEventListener("click", () => {
    for (const details of root.querySelectorAll("details")) details.open = true;
    print();
  });
}

const STEP_S = 1;

function setUpTimeline(root, player, chart) {
  const playhead = chart.querySelector(".playhead");
  const frame = root.querySelector("[data-timeline]");
  const start = Number(chart.dataset.start);
  const duration = Number(chart.dataset.duration);
  const rows = [...root.querySelectorAll("tr[data-from]")];

  const says = (time) => {
    const row = rows.find(({ dataset }) => time >= dataset.from && time < dataset.to);
    return row ? `, ${row.querySelector("[data-says]").textContent}` : "";
  };
  // Browsers can hang when they are sent elsewhere while still on their way: one seek at a time.
  let next = null;
  const at = () => next ?? player.currentTime;
  const move = () => {
    const share = (at() - start) / duration;
    const x = `${100 * Math.max(0, Math.min(1, share))}%`;
    playhead.setAttribute("x1", x);
    playhead.setAttribute("x2", x);
    playhead.classList.toggle("moving", share >= 0 && share <= 1);
    frame.setAttribute("aria-valuenow", at().toFixed(1));
    frame.setAttribute("aria-valuetext", `${say("seek.seconds", { seconds: decimal(at()) })}${says(at())}`);
    if (!player.paused) requestAnimationFrame(move);
  };
  const go = () => {
    if (next === null || player.seeking) return;
    player.currentTime = next;
    next = null;
  };
  const seek = (time) => {
    next = Math.max(start, Math.min(start + duration, time));
    move();
    go();
  };
  const toggle = () => (player.paused ? player.play().catch(() => {}) : player.pause()); // Pausing at once is no fault.
  const keys = {
    ArrowLeft: () => seek(at() - STEP_S),
    ArrowDown: () => seek(at() - STEP_S),
    ArrowRight: () => seek(at() + STEP_S),
    ArrowUp: () => seek(at() + STEP_S),
    PageDown: () => seek(at() - duration / 10),
    PageUp: () => seek(at() + duration / 10),
    Home: () => seek(start),
    End: () => seek(start + duration),
    " ": toggle,
    Enter: toggle,
  };

  player.addEventListener("seeked", go);
  for (const event of ["play", "seeked", "timeupdate"]) player.addEventListener(event, move);
  frame.tabIndex = 0;
  frame.setAttribute("role", "slider");
  frame.setAttribute("aria-label", say("seek.place"));
  frame.setAttribute("aria-valuemin", start.toFixed(1));
  frame.setAttribute("aria-valuemax", (start + duration).toFixed(1));
  move();
  chart.dataset.seekable = "";
  root.querySelector("[data-seek-hint]").hidden = false;
  frame.addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  chart.addEventListener("click", (event) => {
    const box = chart.getBoundingClientRect();
    seek(start + (duration * (event.clientX - box.left)) / box.width);
    player.play().catch(() => {});
  });
}

// A row of the table plays its stretch and stops there.
function setUpParts(root, player) {
  let end = Infinity;
  for (const cell of root.querySelectorAll("[data-listen]")) cell.hidden = false;
  for (const button of root.querySelectorAll("[data-listen] button")) {
    const { from, to } = button.closest("tr").dataset;
    button.addEventListener("click", () => {
      player.currentTime = Number(from);
      end = Number(to);
      player.play().catch(() => {});
    });
  }
  player.addEventListener("timeupdate", () => {
    if (player.currentTime < end) return;
    end = Infinity;
    player.pause();
  });
  player.addEventListener("pause", () => (end = Infinity));
}

// What is asked about a clip that was not kept needs the clip again: this page still has it.
async function sendAgain(root, player) {
  const parts = root.querySelectorAll("[data-again]");
  if (!parts.length || !player.src) return;
  const sound = await (await fetch(player.src)).blob();
  const files = new DataTransfer();
  files.items.add(new File([sound], player.getAttribute("aria-label"), { type: sound.type }));
  for (const field of root.querySelectorAll("[data-again] input[type=file]")) field.files = files.files;
  for (const part of parts) part.hidden = false;
}

const result = document.querySelector("[data-result]");
if (result) setUpResult(result);
