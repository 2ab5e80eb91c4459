// What is to be left out: chosen by checkboxes anywhere on the page, told as the list that --exclude takes.
// A checkbox with data-place stands for a video, one with data-group for a group of them.

const acting = data.acting;
const chosen = new Map(); // place -> frames to leave out, as "17-42,99"; "" for the whole video
const unlisted = new Set(acting.unlisted); // whose names no line of a list can hold
const groups = new Map(); // name -> places
const NOT_UTF8 = /([\udc80-\udcff])/u; // a byte of a name that is no UTF-8, as Python says it
const STRETCHES = /^\d+(-\d+)?(,\d+(-\d+)?)*$/;

function startGroups() {
  for (let place = 0; place < total; place++) {
    const names = videos.ok[place] ? signsOf(place).map(([kind]) => `sign ${kind}`) : [`reason ${videos.error[place].split(":")[0]}`];
    for (const name of new Set(names)) {
      if (!groups.has(name)) groups.set(name, []);
      groups.get(name).push(place);
    }
  }
}

const membersOf = (name) => (groups.get(name) || []).filter((place) => !unlisted.has(place));

/** A checkbox that leaves a video out. */
function chooser(place, text = "") {
  const box = make("input", { type: "checkbox", "data-place": place, "aria-label": `Leave out ${videos.id[place]}` });
  showState(box);
  return make("label", { class: "choose" }, box, text ? ` ${text}` : "");
}

/** A checkbox that leaves out a group of videos. */
function groupChooser(name, text) {
  const box = make("input", { type: "checkbox", "data-group": name });
  showState(box);
  return make("label", { class: "choose" }, box, ` ${text}`);
}

/** A field for the frames of a video that are to be left out. */
function frameChooser(place) {
  const field = make("input", { type: "text", inputmode: "numeric", placeholder: "17-42,99", size: 12, "data-frames": place, disabled: unlisted.has(place) });
  showState(field);
  return make("label", { class: "choose" }, "or frames of it: ", field);
}

function showState(control) {
  if (control.dataset.frames !== undefined) {
    if (document.activeElement !== control) control.value = chosen.get(Number(control.dataset.frames)) || "";
    return;
  }
  const places = control.dataset.group === undefined ? [Number(control.dataset.place)] : membersOf(control.dataset.group);
  const whole = places.filter((place) => chosen.get(place) === "").length;
  control.checked = places.length > 0 && whole === places.length;
  control.indeterminate = !control.checked && places.some((place) => chosen.has(place));
  control.disabled = places.length === 0 || places.every((place) => unlisted.has(place));
  if (control.disabled && places.length) control.title = "Its name cannot be a line of a list: give the file another one.";
}

/** Numbers and stretches of frames without spaces; null where they are none. */
function framesOf(text) {
  const frames = text.replace(/\s+/g, "");
  const sound = STRETCHES.test(frames) && frames.split(",").every((part) => {
    const [first, last] = part.split("-").map(Number);
    return last === undefined || first <= last;
  });
  return frames === "" || sound ? frames : null;
}

function chooseFrames(field) {
  const place = Number(field.dataset.frames);
  const frames = framesOf(field.value);
  field.setCustomValidity(frames === null ? "Frames are numbers or stretches such as 17 or 17-42." : "");
  field.reportValidity();
  if (frames) chosen.set(place, frames);
  else if (chosen.get(place) !== "") chosen.delete(place);
}

function chooseVideos(box) {
  const places = box.dataset.group === undefined ? [Number(box.dataset.place)] : membersOf(box.dataset.group);
  for (const place of places) box.checked ? chosen.set(place, "") : chosen.delete(place);
}

function lineOf(place) {
  const frames = chosen.get(place);
  return videos.id[place] + (frames && `${videos.id[place].includes("#") ? "&" : "#"}frame=${frames}`);
}

/** The list as a file has it: what was left out before, then what is chosen here. */
function listText() {
  const lines = [...chosen.keys()].sort((a, b) => a - b).map(lineOf);
  return [`# left out after looking at ${data.digest.slice(0, 12)}`, ...acting.earlier, ...lines, ""].join("\n");
}

/** UTF-8, with the bytes that are none as they were in the file's name. */
function bytesOf(text) {
  const encoder = new TextEncoder();
  return text.split(NOT_UTF8).map((part) => (NOT_UTF8.test(part) ? Uint8Array.of(part.charCodeAt(0) & 0xff) : encoder.encode(part)));
}

function downloadList() {
  const address = URL.createObjectURL(new Blob(bytesOf(listText()), { type: "text/plain" }));
  make("a", { href: address, download: "exclude.txt" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

async function copyList() {
  const text = listText();
  if (NOT_UTF8.test(text)) {
    byId("choice-count").textContent = "A name in it is no UTF-8, which cannot be copied: download the list.";
    return;
  }
  try {
    await navigator.clipboard.writeText(text);
    byId("choice-count").textContent = "Copied.";
  } catch {
    byId("choice-more").open = true;
    byId("choice-list").select();
    byId("choice-count").textContent = "This browser does not let a page copy: the list below is selected, copy it.";
  }
}

const quoted = (text) => (/^[\w./@%+=:,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** The dataset's folder, where this page lies in it; else OUT, to be put in by hand. */
function outFolder() {
  try {
    const match = /^(.*)\/report\/index\.html$/.exec(decodeURIComponent(location.pathname));
    return location.protocol === "file:" && match ? match[1] : "OUT";
  } catch {
    return "OUT"; // a folder whose name is no UTF-8
  }
}

function buildCommand() {
  const out = outFolder();
  return acting.command ? `flnet ${acting.command} --config ${quoted(`${out}/run.toml`)} --out ${quoted(out)}` : "";
}

function drawChoice() {
  document.querySelectorAll("[data-place], [data-group], [data-frames]").forEach(showState);
  const whole = [...chosen.values()].filter((frames) => frames === "").length;
  const parts = chosen.size - whole;
  const told = [whole ? some(whole, "video", "videos") : "", parts ? `frames of ${some(parts, "video", "videos")}` : ""];
  byId("choice-count").textContent = `${told.filter(Boolean).join(" and ")} chosen`;
  byId("choice-list").value = listText();
  byId("choice").hidden = chosen.size === 0;
  document.body.classList.toggle("choosing", chosen.size > 0);
}

function startChoice() {
  const command = buildCommand();
  startGroups();
  byId("choice-how").textContent = command
    ? "In the folder where you saved the list, build again; what stays is kept as it is:"
    : "Give the list to the command that built this, and build again; what stays is kept as it is:";
  byId("choice-command").textContent = command ? `${command} --exclude exclude.txt` : "--exclude exclude.txt";
  if (acting.lost) {
    byId("choice-lost").hidden = false;
    byId("choice-lost").textContent = `Of ${some(acting.lost, "clip", "clips")} something was left out before that is not known any more: add those lines of the earlier list.`;
  }
  document.addEventListener("change", ({ target }) => {
    if (target.dataset.place === undefined && target.dataset.group === undefined) return;
    chooseVideos(target);
    drawChoice();
  });
  document.addEventListener("input", ({ target }) => {
    if (target.dataset.frames === undefined) return;
    chooseFrames(target);
    drawChoice();
  });
  byId("choice-copy").addEventListener("click", copyList);
  byId("choice-download").addEventListener("click", downloadList);
  byId("choice-clear").addEventListener("click", () => {
    chosen.clear();
    drawChoice();
  });
  drawChoice();
}
