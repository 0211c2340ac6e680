// A text, or the steps of a signal, is classified while it is typed; its words are coloured by their weight.

import { send } from "./api.js";

const PAUSE = 250; // ms after the last key
const find = id => document.getElementById(id);
let waiting;

export function classification(model, attempt) {
  const text = find("text"), isText = model.request.type === "string";
  find("classify-title").textContent = isText ? "A text" : "A sequence";
  find("features").textContent = isText ? "Type or paste one." : `One step a line, numbers with commas between: ${model.request.description}`;
  text.value = isText ? "" : model.request.examples[0].map(step => step.join(", ")).join("\n");
  clear();
  const go = () => attempt(() => (text.value.trim() ? show(model, isText ? text.value : steps(text.value)) : clear()));
  text.oninput = () => { clearTimeout(waiting); waiting = setTimeout(go, PAUSE); };
  if (!isText) go();
}

const steps = text => text.trim().split("\n").map((line, row) => line.split(/[,;\t ]+/).filter(Boolean).map(cell => {
  const number = Number(cell);
  if (Number.isNaN(number)) throw new Error(`Line ${row + 1} must hold numbers, “${cell}” came.`);
  return number;
}));

async function show(model, input) {
  const path = `/v1/models/${encodeURIComponent(model.name)}`;
  const weighs = typeof input === "string" && model.can.includes("explain");
  const said = weighs ? await send(`${path}/explain`, { input }) : (await send(`${path}/predict`, { input })).prediction;
  const shares = Object.entries(said.probabilities ?? {}).sort((a, b) => b[1] - a[1]);
  const given = said.labels ?? [said.label];
  find("bars").replaceChildren(...(shares.length ? shares.slice(0, 12).map(one => bar(...one, given)) : [number(said.value)]));
  find("words").replaceChildren(...(said.words ?? []).map(word));
  find("legend").hidden = !said.words?.length;
}

function clear() {
  find("bars").replaceChildren();
  find("words").replaceChildren();
  find("legend").hidden = true;
}

function bar(name, share, given) {
  const row = document.createElement("div"), [label, space, length, figure] = ["span", "span", "i", "b"].map(tag => document.createElement(tag));
  row.className = given.includes(name) ? "bar" : "bar rest";
  label.textContent = name;
  length.style.width = `${100 * share}%`;
  figure.textContent = `${(100 * share).toFixed(1)} %`;
  space.append(length);
  row.append(label, space, figure);
  return row;
}

function number(value) {
  const element = document.createElement("p");
  element.textContent = String(Number(value.toPrecision(6)));
  return element;
}

function word({ text, weight }) {
  const element = document.createElement("span"), share = Math.round(100 * Math.abs(weight));
  element.textContent = text;
  element.title = weight.toFixed(2);
  element.style.background = `color-mix(in srgb, var(--${weight < 0 ? "against" : "for"}) ${share}%, transparent)`;
  return element;
}
