// Sample cards: a small play button in place of the browser's wide player; one plays at a time.

import { decimal, say } from "./words.js";

export function setUpClips(cards) {
  const players = [...cards].map((card) => card.querySelector("audio"));

  for (const card of cards) {
    const audio = card.querySelector("audio");
    const button = card.querySelector(".play");
    const time = card.querySelector(".clip-time");
    const title = card.dataset.clip;
    const length = time.textContent;

    audio.controls = false;
    audio.hidden = true;
    button.hidden = false;
    // Pausing at once is no fault, and a clip that cannot be loaded has its own event below.
    const play = () => audio.play().catch(() => {});
    button.addEventListener("click", () => (audio.paused ? play() : audio.pause()));

    const show = () => {
      const playing = !audio.paused && !audio.ended;
      button.toggleAttribute("data-playing", playing);
      button.setAttribute("aria-label", say(playing ? "play.pause" : "play.play", { title }));
    };
    audio.addEventListener("play", () => {
      for (const other of players) if (other !== audio) other.pause();
      show();
    });
    audio.addEventListener("pause", show);
    audio.addEventListener("ended", () => {
      show();
      time.textContent = length;
    });
    audio.addEventListener("timeupdate", () => {
      if (!audio.ended && audio.currentTime) time.textContent = say("play.elapsed", { time: decimal(audio.currentTime), length });
    });
    audio.addEventListener("error", () => (time.textContent = say("play.failed")));
  }
}
