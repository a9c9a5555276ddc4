// The trust map over its picture: cells whose expected error is above the threshold are covered.
// State in the model: threshold (grey levels), expected (error, row by row), columns, rows.

// PAPER and INVENTED of look.py
const PALE = [246, 247, 248];
const DARK = [194, 65, 12];

// covered is told by lines, not by colour alone
function hatch(context) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 12;
  const lines = tile.getContext("2d");
  lines.fillStyle = `rgba(${PALE}, 0.902)`;
  lines.fillRect(0, 0, 12, 12);
  lines.strokeStyle = `rgb(${DARK})`;
  lines.lineWidth = 1.6;
  for (const x of [-12, 0, 12]) {
    lines.beginPath();
    lines.moveTo(x, 12);
    lines.lineTo(x + 12, 0);
    lines.stroke();
  }
  return context.createPattern(tile, "repeat");
}

function render({ model, el }) {
  const get = (name) => model.get(name);
  const [columns, rows] = [get("columns"), get("rows")];
  const expected = get("expected");
  const errors = get("errors"); // the real ones, or empty
  const maxError = get("max_error");
  const width = get("width");
  const height = Math.round((width * rows) / columns);

  const root = makeFigure("trust", el, get("alt"));
  root.tabIndex = -1;
  const panels = make("div", "mss-panels", root);

  const left = make("div", null, panels);
  make("div", "mss-title", left, "the answer, doubtful cells covered");
  const stage = make("div", "mss-trust-stage mss-layers", left);
  stage.style.width = `${width}px`;
  stage.style.aspectRatio = `${columns} / ${rows}`;
  const image = make("img", null, stage);
  image.src = get("url");
  image.alt = "";
  const cover = makeCanvas(stage, null, 2 * width, 2 * height); // sharp on dense screens
  const context = cover.getContext("2d");
  const pattern = hatch(context);

  const right = make("div", null, panels);
  make("div", "mss-title", right, "the error to expect");
  const map = makeCanvas(right, "mss-pixels", columns, rows);
  map.style.width = `${Math.min(300, width)}px`;
  map.setAttribute("aria-label", "Map of the error to expect: pale where little, dark orange where much.");
  const legend = make("div", "mss-legend", right);
  make("span", null, legend, "0");
  make("i", null, legend).setAttribute("aria-hidden", "true");
  make("span", null, legend, `${Math.round(maxError)} grey levels or more`);
  const mapContext = map.getContext("2d");
  const mapImage = mapContext.createImageData(columns, rows);
  expected.forEach((error, i) => {
    const t = Math.min(1, error / maxError);
    for (let c = 0; c < 3; c++) mapImage.data[4 * i + c] = PALE[c] + (DARK[c] - PALE[c]) * t;
    mapImage.data[4 * i + 3] = 255;
  });
  mapContext.putImageData(mapImage, 0, 0);

  const status = makeStatus(root);
  const controls = make("div", "mss-controls", root);
  make("span", "mss-range-end", controls, "small error");
  const limits = { min: 0, max: Math.ceil(maxError), step: 1 };
  const range = makeRange(controls, limits, "accepted error in grey levels", (threshold) => {
    model.set("threshold", threshold);
    model.save_changes();
  });
  make("span", "mss-range-end", controls, "large error");

  function draw() {
    const begun = performance.now();
    const threshold = get("threshold");
    context.clearRect(0, 0, cover.width, cover.height);
    context.fillStyle = pattern;
    let open = 0, correct = 0;
    const [cellWidth, cellHeight] = [cover.width / columns, cover.height / rows];
    expected.forEach((error, i) => {
      if (error <= threshold) {
        open += 1;
        if (errors.length && errors[i] <= threshold) correct += 1;
        return;
      }
      const [x, y] = [i % columns, Math.floor(i / columns)];
      context.fillRect(Math.round(x * cellWidth), Math.round(y * cellHeight), Math.ceil(cellWidth), Math.ceil(cellHeight));
    });
    const share = Math.round((100 * open) / expected.length);
    const check = errors.length && open ? ` Of these, ${Math.round((100 * correct) / open)} % really are.` : "";
    status.textContent = `${share} % of the cells are expected to be off by at most ${threshold} grey levels.${check}`;
    cover.setAttribute("aria-label", `${get("alt")} ${status.textContent}`);
    range.value = threshold;
    range.setAttribute("aria-valuetext", `${threshold} grey levels`);
    root.dataset.ms = (performance.now() - begun).toFixed(1);
  }
  return drawOnChange(model, ["threshold"], draw);
}

export default { render };
