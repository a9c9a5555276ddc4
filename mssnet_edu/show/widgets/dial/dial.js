// The dial: recorded plus alpha times invented, computed here for each move, so that it is live.
// Numbers arrive as int16, one unit of brightness = 16384 steps, three colours after each other.
// State in the model: alpha (0 to 2), kind ("smooth" or "mosaic"), factor, small, smooth, full.

const UNIT = 16384;

function numbers(view) {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice();
  return Float32Array.from(new Int16Array(bytes.buffer), (v) => v / UNIT);
}

function mosaic(small, width, height, factor) {
  const [w, h] = [width * factor, height * factor];
  const out = new Float32Array(3 * w * h);
  for (let c = 0; c < 3; c++)
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++)
        out[(c * h + y) * w + x] = small[(c * height + ((y / factor) | 0)) * width + ((x / factor) | 0)];
  return out;
}

function render({ model, el }) {
  const get = (name) => model.get(name);
  const factor = get("factor");
  const [smallW, smallH] = get("shape");
  const [w, h] = [smallW * factor, smallH * factor];
  const plane = w * h;
  const small = numbers(get("small"));
  const full = numbers(get("full"));
  const bases = { smooth: numbers(get("smooth")), mosaic: mosaic(small, smallW, smallH, factor) };

  const root = make("figure", "mss mss-dial", el);
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", get("alt"));
  root.tabIndex = -1;
  const panels = make("div", "mss-panels", root);
  const views = {};
  for (const [name, title, mark, wide] of [
    ["sum", "the picture", "", get("width")],
    ["recorded", "", "recorded", get("side")],
    ["invented", "", "invented", get("side")],
  ]) {
    if (name === "recorded") views.column = make("div", "mss-dial-side", panels);
    const holder = make("div", "mss-dial-view", views.column ?? panels);
    const head = make("div", "mss-title", holder, title);
    let badge = null;
    if (mark) {
      badge = make("span", `mss-mark mss-mark-${mark}`, head, mark);
      badge.style.marginLeft = "0";
    }
    const canvas = make("canvas", null, holder);
    [canvas.width, canvas.height] = [w, h];
    canvas.style.width = `${wide}px`;
    canvas.setAttribute("role", "img");
    if (wide >= 2 * w) canvas.classList.add("mss-pixels");
    const context = canvas.getContext("2d");
    views[name] = { canvas, context, badge, data: context.createImageData(w, h) };
    views[name].data.data.fill(255);
    views[name].note = make("div", "mss-size", holder);
  }

  const said = make("p", "mss-said", root);
  said.setAttribute("aria-live", "polite");
  const controls = make("div", "mss-controls", root);
  make("span", "mss-dial-end", controls, "nothing added");
  const range = make("input", null, controls);
  Object.assign(range, { type: "range", min: 0, max: 2, step: 0.05 });
  range.setAttribute("aria-label", "how much of the invented part");
  make("span", "mss-dial-end", controls, "over-imagined");
  const kinds = {};
  for (const [kind, text] of [["smooth", "smooth start"], ["mosaic", "mosaic start"]]) {
    const button = make("button", null, controls, text);
    button.type = "button";
    button.addEventListener("click", () => set({ kind }));
    kinds[kind] = button;
  }
  make("figcaption", "mss-caption", root,
    "Drag, or use the arrow keys. Grey in the invented part means: nothing added here.");

  function set(changes) {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
    draw();
  }
  range.addEventListener("input", () => set({ alpha: +range.value }));

  let drawn = null;
  function draw() {
    const now = `${get("alpha")} ${get("kind")}`;
    if (now === drawn) return;
    drawn = now;
    const begun = performance.now();
    const alpha = get("alpha");
    const base = bases[get("kind")];
    const squares = get("kind") === "mosaic"; // only these are recorded; smooth is a guess between
    views.recorded.badge.textContent = squares ? "recorded" : "smooth start";
    views.recorded.badge.classList.toggle("mss-mark-recorded", squares);
    views.recorded.badge.classList.toggle("mss-mark-guessed", !squares);
    const [sum, recorded, invented] = [views.sum.data.data, views.recorded.data.data, views.invented.data.data];
    let made = 0, whole = 0;
    for (let c = 0; c < 3; c++) {
      let mean = 0;
      for (let i = 0; i < plane; i++) mean += base[c * plane + i];
      mean /= plane;
      for (let i = 0, o = c; i < plane; i++, o += 4) {
        const known = base[c * plane + i];
        const added = alpha * (full[c * plane + i] - known);
        made += added * added;
        whole += (known + added - mean) ** 2;
        sum[o] = 255 * (known + added); // the array rounds, and clamps to 0 ... 255, itself
        recorded[o] = 255 * known;
        invented[o] = 255 * (0.5 + added);
      }
    }
    // made small again, as a file of it would be
    let error = 0;
    for (let y = 0; y < smallH; y++)
      for (let x = 0; x < smallW; x++)
        for (let c = 0; c < 3; c++) {
          let mean = 0;
          for (let v = 0; v < factor; v++)
            for (let u = 0, o = 4 * ((y * factor + v) * w + x * factor) + c; u < factor; u++, o += 4) mean += sum[o];
          error += (mean / (255 * factor * factor) - small[(c * smallH + y) * smallW + x]) ** 2;
        }
    const db = -10 * Math.log10(Math.max(error / (3 * smallW * smallH), 1e-12));
    for (const name of ["sum", "recorded", "invented"]) views[name].context.putImageData(views[name].data, 0, 0);
    const share = (100 * made) / Math.max(whole, 1e-9);
    const energy = alpha ? `${share < 10 ? share.toFixed(1) : share.toFixed(0)} % of the picture's energy is added to the start` : "nothing is added";
    said.textContent = `${alpha.toFixed(2)} × invented: ${energy}. Made small again: ${db.toFixed(1)} dB.`;
    views.sum.canvas.setAttribute("aria-label", `${get("alt")} ${said.textContent}`);
    views.recorded.canvas.setAttribute("aria-label", squares ? "The recorded part: even squares." : "The start: a smooth enlargement.");
    views.invented.canvas.setAttribute("aria-label", "The invented part, on grey.");
    views.sum.note.textContent = `${w} × ${h} px`;
    views.recorded.note.textContent = `follows from ${smallW} × ${smallH} px`;
    views.invented.note.textContent = "becomes zero when made small";
    range.value = alpha;
    range.setAttribute("aria-valuetext", `${alpha.toFixed(2)} times the invented part`);
    for (const [kind, button] of Object.entries(kinds)) button.setAttribute("aria-pressed", kind === get("kind"));
    root.dataset.ms = (performance.now() - begun).toFixed(1);
  }

  model.on("change:alpha", draw);
  model.on("change:kind", draw);
  draw();
  return () => {
    model.off("change:alpha", draw);
    model.off("change:kind", draw);
  };
}

export default { render };
