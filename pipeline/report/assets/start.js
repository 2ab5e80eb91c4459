// What is drawn when the page opens.

const FIRST_CARDS = SMALL ? 3 : 9;

function drawFirst() {
  const count = data.first.length;
  byId("first-lead").textContent = count
    ? "Videos with signs that something is wrong, gravest first. A sign is a reason to look, not a verdict. What you do not want can be left out: choose it, here or below."
    : "No video shows a sign that something is wrong.";
  const kinds = data.kinds.map((name, kind) => [name, `sign ${kind}`]).filter(([, group]) => groups.has(group));
  const boxes = kinds.map(([name, group]) => make("li", {}, groupChooser(group, `${name} (${grouped(groups.get(group).length)})`)));
  byId("first-kinds").replaceChildren(...(count ? [make("li", { class: "note" }, "Leave out all with"), ...boxes] : []));
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
    make("header", {}, make("h3", {}, linkTo(place, shortName(place))), badge(splitOf(place)), playLink(place), chooser(place, "leave out")),
    signList(place),
    drawBank(place),
    drawTrace(place, 360),
  );
}

startChoice();
drawFirst();
startSpeakers();
startVideos();
startFolds();
followHash();
