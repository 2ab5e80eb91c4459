"use strict";
// What the other parts share: the data, elements made without any HTML from names, numbers, a pager.

const data = JSON.parse(document.getElementById("data").textContent);
const videos = data.videos;
const total = videos.id.length;

const byId = (id) => document.getElementById(id);

/** An element; children are elements or text, never markup. */
function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

const details = new Map(); // number of a part -> promise that what its videos' sheets show is there
const known = new Set(); // numbers of those that are

/** Called by a file beside the page: of its videos, the columns that the page itself does not have. */
function addDetails(part, columns) {
  for (const [name, values] of Object.entries(columns)) {
    videos[name] ||= [];
    values.forEach((value, number) => { videos[name][part * data.apart + number] = value; });
  }
  known.add(part);
}

function fetchDetails(part) {
  if (!details.has(part)) {
    const file = `videos-${String(part + 1).padStart(4, "0")}.js`;
    details.set(part, new Promise((resolve, reject) => {
      document.head.append(make("script", { src: file, load: resolve, error: () => reject(new Error(file)) }));
    }));
  }
  return details.get(part);
}

/** What `draw` makes of a video; of many videos once its figures have come, in a place that is kept for it. */
function withDetails(place, draw) {
  const part = Math.floor(place / data.apart);
  if (!data.apart || known.has(part)) return draw();
  const spot = make("div", { class: "later" });
  fetchDetails(part).then(
    () => spot.replaceWith(draw() || ""),
    ({ message }) => spot.replaceWith(make("p", { class: "note" }, `Its figures are in ${message}, which is not beside this page.`)),
  );
  return spot;
}

const fixed = (value, decimals = 0) => (value === null ? "–" : value.toFixed(decimals));
const grouped = (value) => value.toLocaleString("en");
const some = (count, one, many) => `${grouped(count)} ${count === 1 ? one : many}`;
const badge = (text, kind = "") => make("span", { class: `badge ${kind}` }, text);
const speakerOf = (place) => data.speakers[videos.speaker[place]].name;
const splitOf = (place) => data.splits[videos.split[place]];
const signsOf = (place) => videos.signs[place] || [];

/** What a video is called where there is little room. */
function shortName(place) {
  const name = videos.id[place].split("/").pop();
  return name.startsWith(speakerOf(place)) ? name : `${speakerOf(place)}: ${name}`;
}

const linkTo = (place, text) => make("a", { href: `#v${place}` }, text);

function statusBadge(place) {
  return videos.ok[place] ? badge("arrived", "good") : badge("failed", "bad");
}

function signBadges(place) {
  return signsOf(place).map(([kind, text]) => make("span", { class: "badge sign", title: text }, data.kinds[kind]));
}

function options(select, choices) {
  select.replaceChildren(...choices.map(([value, text]) => make("option", { value }, text)));
}

/** "51 to 100 of 6,913" and two buttons; `turn` is called with the new page. */
function drawPager(element, page, size, count, noun, turn) {
  const first = page * size;
  const last = Math.min(first + size, count);
  const text = count === 0 ? `No ${noun} match` : `${grouped(first + 1)} to ${grouped(last)} of ${grouped(count)} ${noun}`;
  const button = (label, target, possible) =>
    make("button", { type: "button", disabled: !possible, click: () => turn(target) }, label);
  element.replaceChildren(
    make("p", { role: "status" }, text),
    button("Previous", page - 1, page > 0),
    button("Next", page + 1, last < count),
  );
}
