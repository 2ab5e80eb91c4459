// The openness of a mouth and the loudness of its sound over time, and the face with its landmarks.

const LEAST_RANGE = 10; // pixels of openness that the height stands for: a still mouth must look still

/** The trace of one video with its bank's frames marked, or null where it did not arrive. */
function drawTrace(place, width) {
  return videos.ok[place] ? withDetails(place, () => traceOf(place, width)) : null;
}

function traceOf(place, width) {
  if (!videos.trace[place]) return null;
  const [low, high, letters, ...bank] = videos.trace[place];
  const height = 120;
  const box = { left: 30, right: width - 8, top: 20, bottom: height - 20 };
  const frames = Math.max(videos.seen[place], 2);
  const x = (share) => box.left + share * (box.right - box.left);
  const most = Math.max(high, low + LEAST_RANGE);
  const y = (openness) => box.bottom - ((openness - low) / (most - low)) * (box.bottom - box.top);
  const level = (number) => y(low + (number / (data.levels.length - 1)) * (high - low));
  const picks = Array.from({ length: bank.length / 2 }, (_, number) => ({
    number: number + 1,
    left: x(bank[2 * number] / (frames - 1)),
    top: y(bank[2 * number + 1]),
  }));
  const seconds = videos.fps[place] ? frames / videos.fps[place] : null;
  const label =
    `Openness of the mouth over time, ${low.toFixed(1)} to ${high.toFixed(1)} px` +
    `${videos.sound[place] ? ", and below it how loud the sound is" : ""}; ` +
    `the bank's frames are ${bank.filter((_, index) => index % 2 === 0).join(", ")}`;
  return svg(
    "svg",
    { class: "trace", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    [low, most].map((open) => svg("line", { class: "grid", x1: box.left, x2: box.right, y1: y(open), y2: y(open) })),
    videos.sound[place] ? svg("path", { class: "sound", d: soundPath(videos.sound[place], x, box.bottom, box.bottom - box.top) }) : null,
    svg("path", { class: "line", d: tracePath(letters, x, level) }),
    picks.map(({ left, top }) => svg("line", { class: "stem", x1: left, x2: left, y1: box.bottom, y2: top })),
    picks.map(({ left, top }) => svg("circle", { class: "pick", cx: left, cy: top, r: 4 })),
    pickNumbers(picks),
    svg("text", { x: 0, y: box.bottom + 4 }, low.toFixed(0)),
    svg("text", { x: 0, y: box.top + 4 }, most.toFixed(0)),
    svg("text", { x: 0, y: box.top - 9 }, "px"),
    svg("text", { x: box.left, y: height - 5 }, "0 s"),
    svg("text", { x: box.right, y: height - 5, "text-anchor": "end" }, seconds ? `${seconds.toFixed(1)} s` : `${frames} frames`),
  );
}

/** The numbers of the bank's frames, moved apart where two frames are close in time. */
function pickNumbers(picks) {
  const inTime = [...picks].sort((a, b) => a.left - b.left);
  return inTime.map(({ number, left, top }, index) => {
    const close = (other) => other !== undefined && Math.abs(other.left - left) < 10 && Math.abs(other.top - top) < 14;
    const shift = (close(inTime[index - 1]) ? 5 : 0) - (close(inTime[index + 1]) ? 5 : 0);
    return svg("text", { class: "number", x: left + shift, y: top - 7 }, number);
  });
}

/** A line through the samples, interrupted where frames were dropped. */
function tracePath(letters, x, level) {
  let path = "";
  let drawing = false;
  for (let index = 0; index < letters.length; index++) {
    const number = data.levels.indexOf(letters[index]);
    if (number >= 0) {
      const across = x(index / Math.max(letters.length - 1, 1)).toFixed(1);
      path += `${drawing ? "L" : "M"}${across} ${level(number).toFixed(1)}`;
    }
    drawing = number >= 0;
  }
  return path;
}

/** Upright strokes from the bottom, as high as the sound is loud; none where frames were dropped. */
function soundPath(letters, x, bottom, height) {
  let path = "";
  for (let index = 0; index < letters.length; index++) {
    const number = data.levels.indexOf(letters[index]);
    if (number > 0) {
      const across = x(index / Math.max(letters.length - 1, 1)).toFixed(1);
      path += `M${across} ${bottom}V${(bottom - (number / (data.levels.length - 1)) * height).toFixed(1)}`;
    }
  }
  return path;
}

// dlib's 68 points as lines: first, last, whether closed.
const FEATURES = [[0, 16], [17, 21], [22, 26], [27, 30], [31, 35], [36, 41, true], [42, 47, true], [48, 59, true], [60, 67, true]];

/** Landmarks over a crop; `points` are tenths of a pixel whose centre is at whole numbers. */
function drawLandmarks(points) {
  const at = (index) => [points[2 * index] / 10 + 0.5, points[2 * index + 1] / 10 + 0.5];
  const lines = FEATURES.map(([first, last, closed]) => {
    const corners = [];
    for (let index = first; index <= last; index++) corners.push(at(index).join(" "));
    return svg("path", { d: `M${corners.join("L")}${closed ? "Z" : ""}` });
  });
  const dots = Array.from({ length: points.length / 2 }, (_, index) => svg("circle", { cx: at(index)[0], cy: at(index)[1], r: 1.3 }));
  return svg("svg", { viewBox: `0 0 ${data.frameSize} ${data.frameSize}`, "aria-hidden": "true" }, lines, dots);
}

function drawBank(place, numbered = false) {
  return data.pictures[place] ? withDetails(place, () => bankOf(place, numbered)) : null;
}

function bankOf(place, numbered) {
  const shown = data.pictures[place];
  const bank = videos.trace[place].slice(3);
  const figures = shown.bank.map((source, number) => {
    const open = bank[2 * number + 1];
    const alt = `Bank picture ${number + 1} of ${speakerOf(place)}, frame ${bank[2 * number]}, mouth open by ${open} px`;
    return make(
      "figure",
      {},
      make("img", { src: source, alt, loading: "lazy", width: 112, height: 112 }),
      make("figcaption", {}, `${number + 1}: ${open.toFixed(0)} px`, numbered ? ` (frame ${bank[2 * number]})` : ""),
    );
  });
  return make("div", { class: "bank" }, figures);
}

/** The bank's middle picture with landmarks, and its K. */
function drawLooks(place) {
  const shown = data.pictures[place];
  if (!shown) return null;
  const middle = Math.floor(shown.bank.length / 2) + 1;
  const crop = { src: shown.crop, alt: `Crop of ${speakerOf(place)} with its 68 landmarks`, loading: "lazy", width: 224, height: 224 };
  const heat = { src: shown.heat, alt: `Weights K of the same picture, bright near landmarks`, loading: "lazy", width: 160, height: 160 };
  return make(
    "div",
    { class: "looks" },
    make("figure", {}, make("div", { class: "face" }, make("img", crop), drawLandmarks(shown.points)), make("figcaption", {}, `landmarks of ${middle}`)),
    make("figure", {}, make("img", heat), make("figcaption", {}, `K of ${middle}`)),
  );
}
