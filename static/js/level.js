// Measures the microphone's level and draws it as a moving trace.

const FLOOR_DB = -60;
const STEP_MS = 40;

// Calls onLevel(0..1) about 25 times a second; returns a function that ends it.
export function followLevel(stream, canvas, onLevel) {
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 1024 });
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const levels = [];

  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const level = loudness(samples);
    levels.push(level);
    draw(canvas, levels);
    onLevel(level);
  }, STEP_MS);

  return () => {
    clearInterval(timer);
    context.close();
  };
}

function loudness(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const decibels = 10 * Math.log10(sum / samples.length + 1e-12);
  return Math.min(1, Math.max(0, 1 - decibels / FLOOR_DB));
}

function draw(canvas, levels) {
  const pen = canvas.getContext("2d");
  const { width, height } = canvas;
  const pitch = 8;
  const shown = levels.slice(-Math.floor(width / pitch));
  pen.clearRect(0, 0, width, height);
  pen.fillStyle = getComputedStyle(canvas).color;
  shown.forEach((level, index) => {
    const tall = Math.max(4, level * height);
    pen.beginPath();
    pen.roundRect(width - (shown.length - index) * pitch, (height - tall) / 2, 4, tall, 2);
    pen.fill();
  });
}
