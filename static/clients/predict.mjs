// node predict.mjs http://127.0.0.1:8000 recording.m4a
import { readFile } from "node:fs/promises";

const [site, path] = process.argv.slice(2);
const form = new FormData();
form.append("file", new Blob([await readFile(path)]), path);
const response = await fetch(`${site}/predict`, { method: "POST", body: form });
const answer = await response.json();
if (!response.ok) throw new Error(`${answer.error.code}: ${answer.error.message}`);
console.log(answer.outcome, answer.label, answer.probabilities);
