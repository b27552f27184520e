// The dashboard: fetches the lists of /api, and again those that the pulse says have changed. Builds the page from
// text nodes only, so that nothing a user wrote into an object can become markup.

const MOST_ROWS = 500;
const BEATS = 60;

const byId = (id) => document.getElementById(id);
const lists = { routes: [], certificates: [], diagnostics: [], events: [] };
const known = {};
const beats = [];
let current = location.hash.slice(1) in lists ? location.hash.slice(1) : null;

function node(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

const tag = (text, kind = "") => node("span", { class: `tag ${kind}` }, text);
const code = (text) => node("td", { class: "code" }, text ?? "");

// A moment, as far from now as it is.
function ago(moment) {
  if (!moment) return "";
  const seconds = (Date.now() - Date.parse(moment)) / 1000;
  const [size, unit] = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]].find(([size]) => Math.abs(seconds) >= size)
    ?? [1, "s"];
  const count = Math.round(Math.abs(seconds) / size);
  return node("time", { datetime: moment, title: moment }, seconds >= 0 ? `${count} ${unit} ago` : `in ${count} ${unit}`);
}

const severities = { error: "bad", warning: "warn", info: "" };
const order = ["error", "warning", "info"];

// Each list: its columns, how an item becomes a row, and what a filter looks at.
const views = {
  diagnostics: {
    empty: "Nothing to mend.",
    columns: ["Severity", "Object", "Field", "What, and the way out", "Reason"],
    row: (found) => [
      node("td", {}, tag(found.severity, severities[found.severity])),
      code(found.object),
      code(found.field),
      node("td", { class: "wide" }, found.message),
      node("td", {}, tag(found.reason)),
    ],
  },
  routes: {
    empty: "No routes: no Ingress is served.",
    columns: ["Host", "Path", "Ingress", "Service", "Endpoints", "Certificate", "Filters"],
    row: (route) => [
      node("td", { class: "code" }, node("button", { title: "Explain", onclick: () => explain(urlOf(route)) }, route.host)),
      node("td", { class: "code" }, route.path, " ", tag(route.pathType)),
      code(route.ingress),
      code(route.service),
      node("td", { class: "code" }, route.endpoints.length === 0 && route.service
        ? tag("none", "bad")
        : route.endpoints.map((endpoint) => node("div", {}, endpoint.address, endpoint.healthy ? "" : tag("unhealthy", "bad")))),
      code(route.certificate ?? "default"),
      node("td", {}, route.filters.map((filter) => tag(filter))),
    ],
  },
  certificates: {
    empty: "No Certificates.",
    columns: ["Certificate", "Ready", "Names", "Issuer", "Lifetime", "Ends", "Renewal"],
    row: (found) => [
      code(`${found.namespace}/${found.name}`),
      node("td", {}, found.ready ? tag("ready", "good") : tag(found.reason ?? "waiting", "bad"),
        found.ready ? null : node("div", { class: "quiet" }, found.message ?? ""),
        found.ready || !found.nextAttempt ? null : node("div", { class: "quiet" }, "next attempt ", ago(found.nextAttempt))),
      code((found.dnsNames ?? []).join(" ")),
      code(found.issuer),
      node("td", {}, lifetime(found)),
      node("td", {}, ago(found.notAfter)),
      node("td", {}, ago(found.renewalTime)),
    ],
  },
  events: {
    empty: "Nothing has happened yet.",
    columns: ["Last", "Object", "Reason", "What happened", "Times"],
    row: (event) => [
      node("td", {}, ago(event.lastSeen)),
      code(event.object),
      node("td", {}, tag(event.reason, event.type === "Warning" ? "warn" : "")),
      node("td", { class: "wide" }, event.message),
      node("td", {}, String(event.count)),
    ],
  },
};

function lifetime(found) {
  if (!found.notBefore || !found.notAfter) return "";
  const [from, to] = [Date.parse(found.notBefore), Date.parse(found.notAfter)];
  const part = Math.min(Math.max((Date.now() - from) / (to - from), 0), 1);
  const percent = `${Math.round(part * 100)} %`;
  return node("progress", { max: 1, value: part.toFixed(3), title: `${percent} of its lifetime is over`, "aria-label": percent });
}

function urlOf(route) {
  const host = route.host === "*" ? "any.example" : route.host.replace("*", "any");
  return `${route.certificate ? "https" : "http"}://${host}${route.pathType === "Regex" ? "/" : route.path}`;
}

function show() {
  const view = views[current];
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const all = lists[current];
  const items = all.filter((item) => {
    const text = JSON.stringify(item).toLowerCase();
    return words.every((word) => text.includes(word));
  });
  for (const button of document.querySelectorAll("[role=tab]")) {
    const selected = button.dataset.list === current;
    button.setAttribute("aria-selected", selected);
    button.tabIndex = selected ? 0 : -1;
  }
  const panel = byId("panel");
  panel.setAttribute("aria-labelledby", `tab-${current}`);
  if (items.length === 0) {
    panel.replaceChildren(node("p", { class: "empty" }, all.length === 0 ? view.empty : "Nothing fits the filter."));
    return;
  }
  const rows = items.slice(0, MOST_ROWS).map((item) => node("tr", {}, view.row(item)));
  const heads = view.columns.map((column) => node("th", { scope: "col" }, column));
  const table = node("table", {}, node("thead", {}, node("tr", {}, heads)), node("tbody", {}, rows));
  const rest = items.length - rows.length;
  panel.replaceChildren(table, ...(rest > 0 ? [node("p", { class: "empty" }, `${rest} more; filter to see them.`)] : []));
}

function summarize() {
  const set = (id, text) => { byId(id).textContent = text; };
  const card = (name, kind) => { byId(`card-${name}`).className = `card ${kind}`; };
  const hosts = new Set(lists.routes.map((route) => route.host)).size;
  const dead = lists.routes.filter((route) => route.service && route.endpoints.length === 0).length;
  set("routes-count", lists.routes.length);
  set("routes-note", dead > 0 ? `${dead} without endpoints` : `on ${hosts} ${hosts === 1 ? "host" : "hosts"}`);
  card("routes", dead > 0 ? "warn" : "");
  const ready = lists.certificates.filter((found) => found.ready).length;
  const next = lists.certificates.map((found) => found.renewalTime).filter(Boolean).sort()[0];
  set("certificates-count", `${ready}/${lists.certificates.length}`);
  byId("certificates-note").replaceChildren(next ? "next renewal " : "", ago(next));
  card("certificates", ready < lists.certificates.length ? "bad" : "");
  const count = (severity) => lists.diagnostics.filter((found) => found.severity === severity).length;
  const [errors, warnings, infos] = order.map(count);
  set("diagnostics-count", errors + warnings);
  set("diagnostics-note", `${errors} errors, ${warnings} warnings, ${infos} notes`);
  card("diagnostics", errors > 0 ? "bad" : warnings > 0 ? "warn" : "");
  for (const button of document.querySelectorAll("[role=tab]")) {
    const name = button.dataset.list;
    const label = name[0].toUpperCase() + name.slice(1);
    button.replaceChildren(label, node("span", { class: "count" }, String(lists[name].length)));
  }
}

async function fetchList(name) {
  const answer = await fetch(`/api/${name}`);
  const items = (await answer.json())[name];
  if (name === "diagnostics") items.sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
  if (name === "events") items.sort((a, b) => b.lastSeen.localeCompare(a.lastSeen));
  lists[name] = items;
}

async function refresh(versions) {
  const stale = Object.keys(lists).filter((name) => known[name] !== versions[name]);
  if (stale.length === 0) return;
  Object.assign(known, versions);
  await Promise.all(stale.map(fetchList));
  current ??= lists.diagnostics.some((found) => found.severity !== "info") ? "diagnostics" : "routes";
  summarize();
  if (stale.includes(current)) show();
}

function rate(pulse) {
  const now = performance.now();
  beats.push({ now, requests: pulse.requests, failures: pulse.failures });
  if (beats.length > BEATS) beats.shift();
  const rates = beats.slice(1).map((beat, index) =>
    (beat.requests - beats[index].requests) * 1000 / Math.max(beat.now - beats[index].now, 1));
  const last = rates.at(-1);
  byId("rate").textContent = last === undefined ? "–" : last < 10 ? last.toFixed(1) : Math.round(last).toLocaleString();
  const highest = Math.max(...rates, 1);
  const points = rates.map((value, index) => `${(index + BEATS - rates.length) * 120 / BEATS},${30 - value / highest * 26}`);
  byId("spark").setAttribute("points", points.join(" "));
  const failed = beats.length < 2 ? 0 : beats.at(-1).failures - beats[0].failures;
  const open = `${pulse.connections} open ${pulse.connections === 1 ? "connection" : "connections"}`;
  byId("rate-note").textContent = failed > 0 ? `${open}, ${failed} answered 5xx in the last minute` : open;
  byId("card-rate").className = failed > 0 ? "card warn" : "card";
}

function phase(name) {
  byId("phase").textContent = name;
  byId("phase").dataset.phase = name;
}

async function explain(url) {
  byId("url").value = url;
  const answer = await fetch(`/api/explain?url=${encodeURIComponent(url)}`);
  const panel = byId("explanation");
  const close = node("button", { onclick: () => { panel.hidden = true; byId("url").focus(); } }, "Close");
  panel.hidden = false;
  if (!answer.ok) {
    panel.replaceChildren(close, node("p", { class: "answer" }, await answer.text()));
    return;
  }
  const told = await answer.json();
  const facts = [["host", told.host ?? "no rule takes it"]];
  if (told.route) {
    const { route } = told;
    facts.push(["rule", `${route.pathType} ${route.path}`], ["ingress", route.ingress], ["service", route.service]);
    facts.push(["endpoints", route.endpoints.map((endpoint) => endpoint.address).join(", ") || "none"]);
  }
  if (told.certificate) facts.push(["certificate", told.certificate.secret ?? "the default one"]);
  const items = (list, text) => node("ol", {}, list.map((item) => node("li", {}, text(item))));
  if (told.filters.length) facts.push(["filters", items(told.filters, (filter) => `${filter.name}: ${filter.effect}`)]);
  if (told.annotations.length) {
    facts.push(["annotations", items(told.annotations, (found) => `${found.name}: ${found.value} (${found.effect})`)]);
  }
  if (told.losers.length) {
    const of = (loser) => loser.ingress ? ` of ${loser.ingress}` : "";
    facts.push(["not", items(told.losers, (loser) => `${loser.host} ${loser.pathType} ${loser.path}${of(loser)} ${loser.why}`)]);
  }
  if (told.diagnostics.length) facts.push(["to mend", items(told.diagnostics, (line) => line)]);
  const list = facts.filter(([, value]) => value).map(([name, value]) => [node("dt", {}, name), node("dd", {}, value)]);
  panel.replaceChildren(close, node("h2", {}, told.url), node("p", { class: "answer" }, told.answer), node("dl", {}, list.flat()));
}

function choose(name, focus) {
  current = name;
  history.replaceState(null, "", `#${name}`);
  show();
  if (focus) byId(`tab-${name}`).focus();
}

for (const button of document.querySelectorAll("[role=tab]")) {
  button.addEventListener("click", () => choose(button.dataset.list, false));
  button.addEventListener("keydown", (event) => {
    const names = [...document.querySelectorAll("[role=tab]")].map((tab) => tab.dataset.list);
    const at = names.indexOf(button.dataset.list);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1 + names.length, Home: 0, End: names.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    choose(names[to % names.length], true);
  });
}
byId("filter").addEventListener("input", show);
byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  if (byId("url").value.trim()) explain(byId("url").value.trim());
});
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input") || event.ctrlKey || event.metaKey || event.altKey) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const target = { "/": "filter", u: "url" }[event.key];
  if (!target) return;
  event.preventDefault();
  byId(target).focus();
});

const stream = new EventSource("/api/stream");
let busy = Promise.resolve();
stream.addEventListener("message", (event) => {
  const pulse = JSON.parse(event.data);
  phase(pulse.phase);
  byId("generation").textContent = `snapshot ${pulse.generation}`;
  rate(pulse);
  busy = busy.then(() => refresh(pulse.versions)).catch(() => phase("lost"));
});
stream.addEventListener("error", () => phase("lost"));
