// The table of all videos: filters, sorting, a page at a time; rows are made only when they are shown.

const VIDEOS_A_PAGE = SMALL ? 12 : 50;
const rank = new Array(total).fill(Infinity); // place among the suspicious
data.first.forEach((place, order) => { rank[place] = order; });
const haystack = videos.id.map((id, place) =>
  [id, speakerOf(place), videos.error[place], ...signsOf(place).map(([kind, text]) => `${data.kinds[kind]} ${text}`)].join("\n").toLowerCase(),
);

const COLUMNS = [
  { name: "Video", key: (place) => videos.id[place], cell: (place) => make("div", { class: "named" }, chooser(place), linkTo(place, videos.id[place]), playLink(place)) },
  { name: "Speaker", key: speakerOf, cell: speakerOf },
  { name: "Split", key: splitOf, cell: splitOf },
  { name: "Status", key: (place) => videos.ok[place], cell: statusBadge },
  { name: "Frames", key: (place) => videos.kept[place], cell: framesCell, number: true },
  { name: "Face", key: (place) => videos.face[place], cell: (place) => videos.ok[place] ? `${fixed(videos.face[place])} px` : "", number: true },
  { name: "Jitter", key: (place) => videos.jitter[place] ?? -1, cell: (place) => videos.ok[place] ? `${fixed(videos.jitter[place], 2)} %` : "", number: true },
  { name: "Signs", key: (place) => rank[place], cell: signsCell },
];

let sorted = { column: COLUMNS.length - 1, down: false };
let matching = [];

function framesCell(place) {
  const [kept, seen] = [videos.kept[place], videos.seen[place]];
  return kept === seen ? grouped(kept) : `${grouped(kept)} of ${grouped(seen)}`;
}

function signsCell(place) {
  const tags = videos.ok[place] ? signBadges(place) : [badge(videos.error[place].split(":")[0], "bad")];
  return tags.length ? make("div", { class: "tags" }, tags) : null;
}

function videoMatches() {
  const words = byId("video-search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const [speaker, split, status, sign] = ["speaker", "split", "status", "sign"].map((name) => byId(`video-${name}`).value);
  return (place) =>
    (speaker === "" || videos.speaker[place] === Number(speaker)) &&
    (split === "" || videos.split[place] === Number(split)) &&
    (status === "" || videos.ok[place] === Number(status)) &&
    (sign === "" || (sign === "any" ? rank[place] < Infinity : signsOf(place).some(([kind]) => kind === Number(sign)))) &&
    words.every((word) => haystack[place].includes(word));
}

/** Filter, sort and show the first page. */
function drawVideos() {
  const matches = videoMatches();
  matching = [];
  for (let place = 0; place < total; place++) if (matches(place)) matching.push(place);
  const { key } = COLUMNS[sorted.column];
  const sign = sorted.down ? -1 : 1;
  const keys = new Map(matching.map((place) => [place, key(place)]));
  matching.sort((a, b) => {
    const [first, second] = [keys.get(a), keys.get(b)];
    return first === second ? videos.ok[a] - videos.ok[b] || a - b : first < second ? -sign : sign;
  });
  groups.set("listed", matching);
  drawChoice();
  drawVideoPage(0);
}

function drawVideoPage(page) {
  const shown = matching.slice(page * VIDEOS_A_PAGE, (page + 1) * VIDEOS_A_PAGE);
  const rows = shown.map((place) =>
    make("tr", {}, COLUMNS.map(({ name, cell, number }) => make("td", { "data-label": name, class: number ? "number" : null }, cell(place)))),
  );
  document.querySelector("#video-table tbody").replaceChildren(...rows);
  drawPager(byId("video-pager"), page, VIDEOS_A_PAGE, matching.length, "videos", drawVideoPage);
}

function drawHeadings() {
  const headings = COLUMNS.map(({ name, number }, column) => {
    const ours = sorted.column === column;
    const sort = () => {
      sorted = { column, down: ours && !sorted.down };
      drawHeadings();
      drawVideos();
      document.querySelectorAll("#video-table th button")[column].focus();
    };
    const order = ours ? (sorted.down ? "descending" : "ascending") : null;
    const arrow = ours ? (sorted.down ? " ↓" : " ↑") : "";
    const attributes = { scope: "col", "aria-sort": order, class: number ? "number" : null };
    return make("th", attributes, make("button", { type: "button", click: sort }, name + arrow));
  });
  document.querySelector("#video-table thead tr").replaceChildren(...headings);
}

/** Go to the table with just these filters set. */
function showVideos({ speaker = null, sign = "" }) {
  byId("video-filters").reset();
  byId("video-speaker").value = speaker === null ? "" : data.speakers.findIndex((row) => row.name === speaker);
  byId("video-sign").value = sign;
  drawVideos();
  unfold(byId("videos"));
  byId("videos").scrollIntoView();
}

function startVideos() {
  const signs = new Array(data.kinds.length).fill(0);
  videos.signs.forEach((ours) => (ours || []).forEach(([kind]) => { signs[kind] += 1; }));
  const kinds = data.kinds.map((name, kind) => [kind, `${name} (${grouped(signs[kind])})`]).filter(([kind]) => signs[kind]);
  options(byId("video-speaker"), [["", "all"], ...data.speakers.map((row, number) => [number, row.name])]);
  options(byId("video-split"), [["", "all"], ...data.splits.map((split, number) => [number, split])]);
  options(byId("video-sign"), [["", "all videos"], ["any", `any sign (${grouped(data.first.length)})`], ...kinds]);
  const form = byId("video-filters");
  form.addEventListener("input", drawVideos);
  form.addEventListener("reset", () => setTimeout(drawVideos));
  form.addEventListener("submit", (event) => event.preventDefault());
  drawHeadings();
  drawVideos();
}
