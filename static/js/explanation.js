// A closer look: one playhead moves through all pictures while the window, or its parts, play.

const article = document.querySelector("[data-explanation]");
const players = [...article.querySelectorAll("audio")];

for (const player of players) {
  const follow = () => {
    article.style.setProperty("--played", player.currentTime / player.duration || 0);
    if (!player.paused) requestAnimationFrame(follow);
  };
  player.addEventListener("play", () => {
    for (const other of players) if (other !== player) other.pause();
    article.classList.add("playing");
    follow();
  });
  player.addEventListener("seeked", follow);
}

// A press on a picture hears that moment.
for (const picture of article.querySelectorAll(".picture")) {
  picture.addEventListener("click", (event) => {
    const box = picture.getBoundingClientRect();
    const player = players[0];
    player.currentTime = (player.duration * (event.clientX - box.left)) / box.width;
    player.play().catch(() => {}); // Pausing at once is no fault.
  });
}
