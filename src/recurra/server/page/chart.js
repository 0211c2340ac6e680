// A forecast as SVG: the past, what comes, and the interval between the outer quantiles.

const SPACE = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [760, 360, 54, 14, 12, 30];

export function draw(figure, { times, past, point, low, high }) {
  const steps = past.length + point.length;
  const [least, most] = range([...past, ...point, ...(low ?? []), ...(high ?? [])].filter(Number.isFinite));
  const x = i => LEFT + ((WIDTH - LEFT - RIGHT) * i) / Math.max(1, steps - 1);
  const y = value => TOP + ((HEIGHT - TOP - BOTTOM) * (most - value)) / (most - least);
  const svg = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": "the past and the forecast" });
  for (const tick of ticks(least, most)) {
    add(svg, "line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(tick), y2: y(tick) });
    add(svg, "text", { x: LEFT - 8, y: y(tick) + 4, "text-anchor": "end" }).textContent = brief(tick);
  }
  const last = past.length - 1, ahead = point.map((_, i) => past.length + i);
  if (low) {
    const edge = (values, places) => places.map((i, k) => `${x(i)},${y(values[k])}`);
    const band = [`${x(last)},${y(past[last])}`, ...edge(high, ahead), ...edge(low, ahead).reverse()];
    add(svg, "polygon", { class: "band", points: band.join(" ") });
  }
  add(svg, "line", { class: "now", x1: x(last), x2: x(last), y1: TOP, y2: HEIGHT - BOTTOM });
  for (const part of pieces(past)) add(svg, "polyline", { class: "past", points: part.map(i => `${x(i)},${y(past[i])}`).join(" ") });
  add(svg, "polyline", { class: "ahead", points: [last, ...ahead].map(i => `${x(i)},${y(i === last ? past[last] : point[i - past.length])}`).join(" ") });
  label(svg, x, times, past.length, steps);
  figure.replaceChildren(svg);
  follow(svg, x, y, steps, i => (i < past.length ? `${times[i] ?? ""}  ${brief(past[i])}` : said(i - past.length)), i => (i < past.length ? past[i] : point[i - past.length]));

  function said(i) {
    const interval = low ? `  (${brief(low[i])} to ${brief(high[i])})` : "";
    return `${times[past.length + i] ?? ""}  ${brief(point[i])}${interval}`;
  }
}

function label(svg, x, times, past, steps) {
  for (const [i, anchor] of [[0, "start"], [past - 1, past > 0.8 * steps ? "end" : "middle"], [steps - 1, "end"]]) {
    if (anchor === "end" && i === steps - 1 && past > 0.75 * steps) continue;
    add(svg, "text", { x: x(i), y: HEIGHT - 8, "text-anchor": anchor }).textContent = times[i] ?? "";
  }
}

// What is under the pointer, in words.
function follow(svg, x, y, steps, tell, value) {
  const line = add(svg, "line", { class: "at", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  const words = add(svg, "text", { y: TOP + 12, visibility: "hidden" });
  svg.addEventListener("pointermove", event => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) * WIDTH) / box.width;
    const i = Math.max(0, Math.min(steps - 1, Math.round(((at - LEFT) * (steps - 1)) / (WIDTH - LEFT - RIGHT))));
    if (!Number.isFinite(value(i))) return;
    set(line, { x1: x(i), x2: x(i), visibility: "visible" });
    set(words, { x: i > steps / 2 ? x(i) - 8 : x(i) + 8, "text-anchor": i > steps / 2 ? "end" : "start", visibility: "visible" });
    words.textContent = tell(i);
  });
  svg.addEventListener("pointerleave", () => [line, words].forEach(one => set(one, { visibility: "hidden" })));
}

function range(values) {
  const low = Math.min(...values), high = Math.max(...values);
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  return [low - room, high + room];
}

function ticks(low, high) {
  const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(one => one * power).find(one => one >= rough);
  const found = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high; tick += step) found.push(tick);
  return found;
}

// Runs of steps that have a value.
function pieces(values) {
  const found = [[]];
  values.forEach((value, i) => (Number.isFinite(value) ? found.at(-1).push(i) : found.push([])));
  return found.filter(part => part.length);
}

export const brief = value => (Number.isFinite(value) ? String(Number(value.toPrecision(4))) : "–");

const make = (name, attributes) => set(document.createElementNS(SPACE, name), attributes);
const add = (parent, name, attributes) => parent.appendChild(make(name, attributes));
function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
