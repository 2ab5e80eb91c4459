// One card a speaker, a page of them at a time.

const SPEAKERS_A_PAGE = SMALL ? 4 : 12;
let speakerPage = 0;

function speakerMatches(row) {
  const name = byId("speaker-search").value.trim().toLowerCase();
  const split = byId("speaker-split").value;
  const show = byId("speaker-show").value;
  return row.name.toLowerCase().includes(name) && (!split || row.splits.includes(split)) && (!show || row[show] > 0);
}

function drawSpeakers(page = 0) {
  const rows = data.speakers.filter(speakerMatches);
  speakerPage = page;
  const shown = rows.slice(page * SPEAKERS_A_PAGE, (page + 1) * SPEAKERS_A_PAGE);
  byId("speaker-cards").replaceChildren(...shown.map(speakerCard));
  drawPager(byId("speaker-pager"), page, SPEAKERS_A_PAGE, rows.length, "speakers", drawSpeakers);
}

function speakerCard(row) {
  const facts = [some(row.videos, "video", "videos"), some(row.frames, "frame", "frames")];
  if (row.dropped) facts.push(`${grouped(row.dropped)} dropped`);
  const theirs = () => showVideos({ speaker: row.name });
  return make(
    "article",
    { class: "card" },
    make(
      "header",
      {},
      make("h3", {}, row.name),
      row.splits.map((split) => badge(split)),
      row.failed ? badge(`${row.failed} failed`, "bad") : null,
      row.signed ? badge(`${row.signed} to look at`, "sign") : null,
    ),
    make("p", { class: "facts" }, facts.join(", ")),
    row.show < 0
      ? make("p", { class: "none" }, "No video of this speaker arrived.")
      : [drawBank(row.show), drawLooks(row.show), drawTrace(row.show, 360), make("p", { class: "facts" }, linkTo(row.show, videos.id[row.show]))],
    make("p", {}, make("button", { type: "button", click: theirs }, `List ${row.videos === 1 ? "the video" : `the ${grouped(row.videos)} videos`}`)),
  );
}

function startSpeakers() {
  options(byId("speaker-split"), [["", "all"], ...data.splits.map((split) => [split, split])]);
  byId("speaker-filters").addEventListener("input", () => drawSpeakers());
  byId("speaker-filters").addEventListener("submit", (event) => event.preventDefault());
  drawSpeakers();
}
