// The sheet of one video, opened by links of the form #v12.

const sheet = byId("entry");

function openEntry(place) {
  const close = make("button", { type: "button", "aria-label": "Close", click: () => sheet.close() }, "✕");
  const name = videos.id[place].split("/").pop();
  const title = make("div", {}, make("h2", { id: "entry-title" }, name), make("p", { class: "path" }, videos.id[place]));
  const badges = [statusBadge(place), badge(`speaker ${speakerOf(place)}`), badge(splitOf(place))];
  sheet.replaceChildren(
    make(
      "div",
      { class: "sheet" },
      make("header", {}, title, close),
      make("p", {}, ...badges.flatMap((one) => [one, " "])),
      videos.error[place] ? make("p", { class: "warning" }, videos.error[place]) : null,
      signList(place),
      make("p", { class: "leave" }, chooser(place, "leave this video out"), " ", frameChooser(place)),
      drawClip(place),
      drawBank(place, true),
      drawTrace(place, innerWidth < 700 ? 360 : 760),
      drawLooks(place),
      videos.ok[place] && !data.pictures[place]
        ? make("p", { class: "note" }, "Its pictures are not part of this page: give the report a larger --pictures.")
        : null,
      withDetails(place, () => entryNumbers(place)),
    ),
  );
  if (!sheet.open) sheet.showModal();
  sheet.scrollTop = 0;
}

const playLink = (place) => (data.clips[place] ? make("a", { class: "play", href: `#v${place}`, "aria-label": `Play ${videos.id[place]}` }, "▶ play") : null);

/** A few seconds of the crops, or null where the page has none of this video. */
function drawClip(place) {
  if (!data.clips[place]) return null;
  const [mp4, first, last] = data.clips[place];
  const bytes = Uint8Array.from(atob(mp4), (letter) => letter.charCodeAt(0));
  const address = URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
  const player = make("video", { src: address, controls: true, loop: true, muted: true, playsinline: true, width: 224, height: 224, "aria-label": `Crops of ${videos.id[place]}` });
  player.muted = true; // the attribute alone does not let it begin by itself
  player.autoplay = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  sheet.addEventListener("close", () => { player.pause(); URL.revokeObjectURL(address); }, { once: true });
  return make("figure", { class: "clip" }, player, make("figcaption", {}, `frames ${first} to ${last}`));
}

function signList(place) {
  if (!signsOf(place).length) return null;
  const items = signsOf(place).map(([kind, text, other]) =>
    make("li", {}, badge(data.kinds[kind], "sign"), " ", text, other === null ? null : " ", other === null ? null : linkTo(other, "see it")),
  );
  return make("ul", { class: "signs" }, items);
}

function entryNumbers(place) {
  const dropped = Object.entries(videos.drops[place] || {}).map(([reason, count]) => `${count} ${reason}`);
  const facts = [
    ["frames kept", `${grouped(videos.kept[place])} of ${grouped(videos.seen[place])}`],
    ["frames dropped", dropped.join(", ") || "none"],
    ["picture", `${videos.width[place]} × ${videos.height[place]}, ${fixed(videos.fps[place], 2)} frames/s`],
    ["face width in the source", `${fixed(videos.face[place], 1)} px`],
    ["crop pixels per source pixel", fixed(videos.scale[place], 3)],
    ["crop outside the picture", `${fixed(100 * videos.padding[place], 1)} %`],
    ["landmark jitter", `${fixed(videos.jitter[place], 2)} % of the eyes' distance`],
    ["largest step", `${fixed(videos.step[place], 2)} face widths`],
    ["detector score, lowest tenth", fixed(videos.score[place], 2)],
    ["sharpness", `${fixed(videos.sharpness[place])} %`],
    ["frames with other faces", grouped(videos.others[place])],
  ];
  return make("dl", {}, facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

/** Open what the address asks for. */
function followHash() {
  const match = /^#v(\d+)$/.exec(location.hash);
  if (match && Number(match[1]) < total) openEntry(Number(match[1]));
  else if (sheet.open) sheet.close();
}

sheet.addEventListener("close", () => {
  if (/^#v\d+$/.test(location.hash)) history.replaceState(null, "", location.pathname + location.search);
});
sheet.addEventListener("click", (event) => {
  if (event.target === sheet) sheet.close(); // the backdrop: everything else is inside the sheet
});
addEventListener("hashchange", followHash);
