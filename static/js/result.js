// The result page: the clip's player and the timeline move together.

export function setUpResult(root) {
  const player = root.querySelector("[data-player]");
  const chart = root.querySelector(".timeline");
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

const result = document.querySelector("[data-result]");
if (result) setUpResult(result);
