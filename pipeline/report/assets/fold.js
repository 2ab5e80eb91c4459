// Long sections are folded where the window is small, and unfolded where a link leads.

const SMALL = innerWidth < 700;

function unfold(element) {
  for (let one = element; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
}

function startFolds() {
  if (SMALL) document.querySelectorAll("details[data-fold]").forEach((one) => { one.open = false; });
  document.querySelectorAll("nav a").forEach((link) => link.addEventListener("click", () => unfold(byId(link.hash.slice(1)))));
  addEventListener("beforeprint", () => document.querySelectorAll("details[data-fold]").forEach((one) => { one.open = true; }));
  const target = location.hash.length > 1 && byId(location.hash.slice(1));
  if (target) unfold(target);
}
