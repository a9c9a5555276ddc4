// The trust map over its picture: cells whose expected error is above the threshold are covered.
// State in the model: threshold (grey levels), cells (expected error, row by row), columns, rows.

function render({ model, el }) {
  const get = (name) => model.get(name);
  const [columns, rows] = [get("columns"), get("rows")];
  const cells = get("cells");
  const errors = get("errors"); // what was really wrong, or empty
  const most = get("most");
  const wide = get("width");
  const tall = Math.round((wide * rows) / columns);

  const root = make("figure", "mss mss-trust", el);
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", get("alt"));
  root.tabIndex = -1;
  const panels = make("div", "mss-panels", root);

  const left = make("div", null, panels);
  make("div", "mss-title", left, "the answer, doubtful cells covered");
  const stage = make("div", "mss-trust-stage", left);
  stage.style.width = `${wide}px`;
  stage.style.aspectRatio = `${columns} / ${rows}`;
  const image = make("img", null, stage);
  image.src = get("url");
  image.alt = "";
  const veil = make("canvas", null, stage);
  [veil.width, veil.height] = [2 * wide, 2 * tall]; // sharp on dense screens
  veil.setAttribute("role", "img");
  const pen = veil.getContext("2d");

  const right = make("div", null, panels);
  make("div", "mss-title", right, "the error to expect");
  const map = make("canvas", "mss-pixels", right);
  [map.width, map.height] = [columns, rows];
  const side = Math.min(300, wide);
  map.style.width = `${side}px`;
  map.setAttribute("role", "img");
  map.setAttribute("aria-label", "Map of the error to expect: pale where little, dark orange where much.");
  const legend = make("div", "mss-trust-legend", right);
  make("span", null, legend, "0");
  make("i", null, legend).setAttribute("aria-hidden", "true");
  make("span", null, legend, `${Math.round(most)} grey levels or more`);
  const paint = map.getContext("2d");
  const data = paint.createImageData(columns, rows);
  const [pale, dark] = [[246, 247, 248], [194, 65, 12]];
  cells.forEach((value, i) => {
    const t = Math.min(1, value / most);
    for (let c = 0; c < 3; c++) data.data[4 * i + c] = pale[c] + (dark[c] - pale[c]) * t;
    data.data[4 * i + 3] = 255;
  });
  paint.putImageData(data, 0, 0);

  // a hatch: covered is told by lines, not by colour alone
  const tile = document.createElement("canvas");
  tile.width = tile.height = 12;
  const ink = tile.getContext("2d");
  ink.fillStyle = "#f6f7f8e6";
  ink.fillRect(0, 0, 12, 12);
  ink.strokeStyle = "#c2410c";
  ink.lineWidth = 1.6;
  for (const x of [-12, 0, 12]) {
    ink.beginPath();
    ink.moveTo(x, 12);
    ink.lineTo(x + 12, 0);
    ink.stroke();
  }
  const hatch = pen.createPattern(tile, "repeat");

  const said = make("p", "mss-said", root);
  said.setAttribute("aria-live", "polite");
  const controls = make("div", "mss-controls", root);
  make("span", "mss-dial-end", controls, "trust little");
  const range = make("input", null, controls);
  Object.assign(range, { type: "range", min: 0, max: Math.ceil(most), step: 1 });
  range.setAttribute("aria-label", "accepted error in grey levels");
  make("span", "mss-dial-end", controls, "trust much");
  range.addEventListener("input", () => {
    model.set("threshold", +range.value);
    model.save_changes();
  });

  function draw() {
    const begun = performance.now();
    const limit = get("threshold");
    pen.clearRect(0, 0, veil.width, veil.height);
    pen.fillStyle = hatch;
    let open = 0, right = 0;
    const [across, down] = [veil.width / columns, veil.height / rows];
    cells.forEach((value, i) => {
      if (value <= limit) {
        open += 1;
        if (errors.length && errors[i] <= limit) right += 1;
        return;
      }
      const [x, y] = [i % columns, Math.floor(i / columns)];
      pen.fillRect(Math.round(x * across), Math.round(y * down), Math.ceil(across), Math.ceil(down));
    });
    const share = Math.round((100 * open) / cells.length);
    const kept = errors.length && open ? ` Of these, ${Math.round((100 * right) / open)} % really are.` : "";
    said.textContent = `${share} % of the cells are expected to be off by at most ${limit} grey levels.${kept}`;
    veil.setAttribute("aria-label", `${get("alt")} ${said.textContent}`);
    range.value = limit;
    range.setAttribute("aria-valuetext", `${limit} grey levels`);
    root.dataset.ms = (performance.now() - begun).toFixed(1);
  }
  model.on("change:threshold", draw);
  draw();
  return () => model.off("change:threshold", draw);
}

export default { render };
