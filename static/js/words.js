// What scripts say, in the page's language: the server puts the texts into the page.

const WORDS = JSON.parse(document.getElementById("words").textContent);

export const say = (key, values = {}) => WORDS[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);

export const knows = (key) => key in WORDS;

// A number with one digit after the point, or the comma.
export const decimal = (value) => value.toLocaleString(document.documentElement.lang, { minimumFractionDigits: 1, maximumFractionDigits: 1, useGrouping: false });
