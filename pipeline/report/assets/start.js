// What is drawn when the page opens.

const FIRST_CARDS = 9;

function drawFirst() {
  const count = data.first.length;
  byId("first-lead").textContent = count
    ? "Videos with signs that something is wrong, gravest first. A sign is a reason to look, not a verdict."
    : "No video shows a sign that something is wrong.";
  byId("first-cards").replaceChildren(...data.first.slice(0, FIRST_CARDS).map(firstCard));
  const all = byId("first-all");
  all.textContent = `List all ${grouped(count)}`;
  all.hidden = count <= FIRST_CARDS;
  all.addEventListener("click", () => showVideos({ sign: "any" }));
}

function firstCard(place) {
  return make(
    "article",
    { class: "card" },
    make("header", {}, make("h3", {}, linkTo(place, shortName(place))), badge(splitOf(place))),
    signList(place),
    drawBank(place),
    drawTrace(place, 360),
  );
}

drawFirst();
startSpeakers();
startVideos();
followHash();
