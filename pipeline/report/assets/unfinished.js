// What is drawn when the page of an unfinished build opens.

function drawCommands() {
  const out = outFolder();
  const commands = { report: `flnet report ${quoted(out)}`, build: buildCommand() || "the command that began it" };
  document.querySelectorAll("[data-command]").forEach((place) => { place.textContent = commands[place.dataset.command]; });
}

startChoice();
drawCommands();
startFolds();
