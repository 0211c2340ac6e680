// A table is pasted, dropped or opened; its forecast is drawn and listed.

import { send } from "./api.js";
import { brief, draw } from "./chart.js";
import { parse, requests, rolesOf, write } from "./table.js";

const SHOWN = 5; // horizons of the past in the chart
const find = id => document.getElementById(id);

export function forecasting(model, attempt) {
  const schema = model.request, roles = rolesOf(schema);
  const needed = Object.entries(roles).map(([role, names]) => `${names.join(", ")} (${role})`);
  find("columns").textContent = `Paste or drop a table with a first line of names: ${needed.join("; ")}.`;
  const table = find("table");
  table.value = "";
  find("series").replaceChildren();
  const read = file => file.text().then(text => { table.value = text; return go(); });
  const go = () => attempt(() => show(model, roles, requests(parse(table.value), schema)));
  find("forecast-go").onclick = go;
  find("made-up").onclick = () => { table.value = write(schema.examples[0]); go(); };
  find("file").onchange = event => event.target.files.length && read(event.target.files[0]);
  find("series").onchange = go;
  table.ondragover = event => { event.preventDefault(); table.classList.add("over"); };
  table.ondragleave = () => table.classList.remove("over");
  table.ondrop = event => {
    event.preventDefault();
    table.classList.remove("over");
    const [file] = event.dataTransfer.files;
    if (file) read(file);
  };
}

async function show(model, roles, asked) {
  const names = Object.keys(asked), select = find("series");
  const chosen = names.includes(select.value) ? select.value : names[0];
  select.replaceChildren(...names.map(name => new Option(name, name, false, name === chosen)));
  find("which").hidden = names.length < 2;
  const request = asked[chosen];
  const said = (await send(`/v1/models/${encodeURIComponent(model.name)}/predict`, { input: request })).prediction;
  const [time] = roles.time, [target] = roles.target;
  const forecast = roles.target.length > 1 ? said[target] : said;
  const quantiles = Object.keys(forecast).filter(name => /^q[0-9]/.test(name));
  const point = forecast.point, known = withoutEnd(request[target]), past = known.slice(-SHOWN * Math.max(point.length, 12));
  const dates = (said[time] ?? point.map((_, i) => `+${i + 1}`)).map(String);
  const before = [].concat(request[time] ?? []).slice(0, known.length).slice(-past.length).map(String);
  draw(find("chart"), {
    times: [...before, ...dates], past, point,
    low: quantiles.length > 1 ? forecast[quantiles[0]] : null, high: quantiles.length > 1 ? forecast[quantiles.at(-1)] : null,
  });
  list(dates, time, { point, ...Object.fromEntries(quantiles.map(name => [name, forecast[name]])) });
}

const withoutEnd = values => values.slice(0, values.findLastIndex(value => value !== null) + 1);

function list(dates, time, columns) {
  const table = document.createElement("table"), names = Object.keys(columns);
  const fill = (row, tag, texts) => texts.forEach(text => { row.appendChild(document.createElement(tag)).textContent = text; });
  fill(table.createTHead().insertRow(), "th", [time, ...names]);
  const body = table.createTBody();
  dates.forEach((date, i) => fill(body.insertRow(), "td", [date, ...names.map(name => brief(columns[name][i]))]));
  find("numbers").replaceChildren(table);
}
