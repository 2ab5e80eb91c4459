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
