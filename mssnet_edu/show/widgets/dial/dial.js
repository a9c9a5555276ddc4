// The dial: recorded plus alpha times invented, computed here for each move, so that it is live.
// Numbers arrive as int16, one unit of brightness = 16384 steps, three colours after each other.
// State in the model: alpha (0 to 2), kind ("smooth" or "mosaic"), factor, small, smooth, full.

const UNIT = 16384;

function toFloat(view) {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice();
  return Float32Array.from(new Int16Array(bytes.buffer), (v) => v / UNIT);
}

// nearest-neighbour enlargement
function mosaic(small, width, height, factor) {
  const [w, h] = [width * factor, height * factor];
  const large = new Float32Array(3 * w * h);
  for (let c = 0; c < 3; c++)
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++)
        large[(c * h + y) * w + x] = small[(c * height + ((y / factor) | 0)) * width + ((x / factor) | 0)];
  return large;
}

function render({ model, el }) {
  const get = (name) => model.get(name);
  const factor = get("factor");
  const [smallWidth, smallHeight] = get("shape");
  const [width, height] = [smallWidth * factor, smallHeight * factor];
  const pixels = width * height;
  const small = toFloat(get("small"));
  const full = toFloat(get("full"));
  const starts = { smooth: toFloat(get("smooth")), mosaic: mosaic(small, smallWidth, smallHeight, factor) };

  const root = makeFigure("dial", el, get("alt"));
  root.tabIndex = -1;
  const panels = make("div", "mss-panels", root);
  const makeView = (parent, displayWidth, title, mark) => {
    const panel = make("div", "mss-dial-view", parent);
    const head = make("div", "mss-title", panel, title);
    const badge = mark ? make("span", `mss-mark mss-mark-${mark}`, head, mark) : null;
    if (badge) badge.style.marginLeft = "0";
    const canvas = makeCanvas(panel, null, width, height);
    canvas.style.width = `${displayWidth}px`;
    if (displayWidth >= 2 * width) canvas.classList.add("mss-pixels");
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    image.data.fill(255);
    return { canvas, context, badge, image, note: make("div", "mss-size", panel) };
  };
  const sum = makeView(panels, get("width"), "the picture");
  const parts = make("div", "mss-dial-side", panels);
  const recorded = makeView(parts, get("part_width"), "", "recorded");
  const invented = makeView(parts, get("part_width"), "", "invented");
  sum.note.textContent = `${width} × ${height} px`;
  recorded.note.textContent = `follows from ${smallWidth} × ${smallHeight} px`;
  invented.note.textContent = "becomes zero when made small";
  invented.canvas.setAttribute("aria-label", "The invented part, on grey.");

  const status = makeStatus(root);
  const controls = make("div", "mss-controls", root);
  make("span", "mss-range-end", controls, "nothing added");
  const range = makeRange(controls, { min: 0, max: 2, step: 0.05 }, "how much of the invented part", (alpha) => set({ alpha }));
  make("span", "mss-range-end", controls, "over-imagined");
  const kinds = {
    smooth: makeButton(controls, "smooth start", () => set({ kind: "smooth" })),
    mosaic: makeButton(controls, "mosaic start", () => set({ kind: "mosaic" })),
  };
  make("figcaption", "mss-caption", root,
    "Drag, or use the arrow keys. Grey in the invented part means: nothing added here.");

  function set(changes) {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
    draw();
  }

  // recorded + alpha * invented into the three pictures; returns the invented share of the energy
  function blend(alpha, start) {
    const [sumData, recordedData, inventedData] = [sum, recorded, invented].map((view) => view.image.data);
    let inventedEnergy = 0, energy = 0;
    for (let c = 0; c < 3; c++) {
      let mean = 0;
      for (let i = 0; i < pixels; i++) mean += start[c * pixels + i];
      mean /= pixels;
      for (let i = 0, o = c; i < pixels; i++, o += 4) {
        const known = start[c * pixels + i];
        const added = alpha * (full[c * pixels + i] - known);
        inventedEnergy += added * added;
        energy += (known + added - mean) ** 2;
        sumData[o] = 255 * (known + added); // the array rounds, and clamps to 0 ... 255, itself
        recordedData[o] = 255 * known;
        inventedData[o] = 255 * (0.5 + added);
      }
    }
    return inventedEnergy / Math.max(energy, 1e-9);
  }

  // how well the picture, rounded to 8 bits as a file of it would be, agrees with the small photo
  function consistencyDb() {
    const rounded = sum.image.data;
    let error = 0;
    for (let y = 0; y < smallHeight; y++)
      for (let x = 0; x < smallWidth; x++)
        for (let c = 0; c < 3; c++) {
          let block = 0;
          for (let v = 0; v < factor; v++)
            for (let u = 0, o = 4 * ((y * factor + v) * width + x * factor) + c; u < factor; u++, o += 4) block += rounded[o];
          error += (block / (255 * factor * factor) - small[(c * smallHeight + y) * smallWidth + x]) ** 2;
        }
    return -10 * Math.log10(Math.max(error / (3 * smallWidth * smallHeight), 1e-12));
  }

  let drawn = null;
  function draw() {
    const [alpha, kind] = [get("alpha"), get("kind")];
    const state = `${alpha} ${kind}`;
    if (state === drawn) return;
    drawn = state;
    const begun = performance.now();
    const share = 100 * blend(alpha, starts[kind]);
    const db = consistencyDb();
    for (const { context, image } of [sum, recorded, invented]) context.putImageData(image, 0, 0);
    const squares = kind === "mosaic"; // only these are recorded; smooth is a guess between
    recorded.badge.textContent = squares ? "recorded" : "smooth start";
    recorded.badge.classList.toggle("mss-mark-recorded", squares);
    recorded.badge.classList.toggle("mss-mark-guessed", !squares);
    const energy = alpha ? `${share < 10 ? share.toFixed(1) : share.toFixed(0)} % of the picture's energy is added to the start` : "nothing is added";
    status.textContent = `${alpha.toFixed(2)} × invented: ${energy}. Made small again: ${db.toFixed(1)} dB.`;
    sum.canvas.setAttribute("aria-label", `${get("alt")} ${status.textContent}`);
    recorded.canvas.setAttribute("aria-label", squares ? "The recorded part: even squares." : "The start: a smooth enlargement.");
    range.value = alpha;
    range.setAttribute("aria-valuetext", `${alpha.toFixed(2)} times the invented part`);
    for (const [name, button] of Object.entries(kinds)) button.setAttribute("aria-pressed", name === kind);
    root.dataset.ms = (performance.now() - begun).toFixed(1);
  }

  return drawOnChange(model, ["alpha", "kind"], draw);
}

export default { render };
