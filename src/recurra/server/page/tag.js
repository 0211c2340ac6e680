// The words of a sentence are tagged while they are typed.

import { send } from "./api.js";

const PAUSE = 250; // ms after the last key
const MARK = "*";
const find = id => document.getElementById(id);
let waiting;

export function tagging(model, attempt) {
  const sentence = find("sentence"), marked = model.request.required.includes("marks");
  find("tag-hint").textContent = `Put spaces between words, and around punctuation.${marked ? ` Put ${MARK} before the word in question.` : ""}`;
  sentence.value = "";
  find("tags").replaceChildren();
  const go = () => attempt(() => show(model, sentence.value.split(/\s+/).filter(Boolean), marked));
  sentence.oninput = () => { clearTimeout(waiting); waiting = setTimeout(go, PAUSE); };
}

async function show(model, words, marked) {
  if (!words.length) return find("tags").replaceChildren();
  const isMarked = word => marked && word.length > 1 && word.startsWith(MARK);
  const input = { tokens: words.map(word => (isMarked(word) ? word.slice(1) : word)) };
  if (marked) input.marks = words.map(isMarked);
  const { tokens, tags, probabilities } = (await send(`/v1/models/${encodeURIComponent(model.name)}/predict`, { input })).prediction;
  find("tags").replaceChildren(...tokens.map((token, n) => tagged(token, tags[n], probabilities[n])));
}

function tagged(token, tag, share) {
  const element = document.createElement("span"), below = document.createElement("small");
  below.textContent = tag;
  element.title = `${(100 * share).toFixed(1)} %`;
  element.append(token, below);
  return element;
}
