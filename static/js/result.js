// The result page: the clip's player and the timeline move together.

export function setUpResult(root) {
  const player = root.querySelector("[data-player]");
  const chart = root.querySelector(".timeline");
  if (player) sendAgain(root, player);
  if (!player || !chart) return;

  const playhead = chart.querySelector(".playhead");
  const duration = Number(chart.dataset.duration);
  const move = () => {
    const x = `${Math.min(100, (100 * player.currentTime) / duration)}%`;
    playhead.setAttribute("x1", x);
    playhead.setAttribute("x2", x);
    playhead.classList.add("moving");
  };

  player.addEventListener("timeupdate", move);
  chart.dataset.seekable = "";
  root.querySelector("[data-seek-hint]").hidden = false;
  chart.addEventListener("click", (event) => {
    const box = chart.getBoundingClientRect();
    player.currentTime = (duration * (event.clientX - box.left)) / box.width;
    player.play().catch(() => {}); // Pausing at once is no fault.
  });
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
