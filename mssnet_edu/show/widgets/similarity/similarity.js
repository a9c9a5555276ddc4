// Click a place in a photo, and see how similar every other place is, in one map for each encoder.
// State in the model: x, y (shares of the photo). All features are inside: no kernel is needed.

const SIMILAR = 0.6; // the cosine from which places count as similar

function render({ model, el }) {
  const get = (name) => model.get(name);
  const [width, height] = get("shape");
  const scale = get("colormap"); // dark to bright
  const view = get("data");
  const bytes = new Int8Array(view.buffer ?? view, view.byteOffset ?? 0, view.byteLength);
  let start = 0;
  const maps = get("maps").map((map) => {
    const vectors = bytes.subarray(start, (start += map.rows * map.columns * map.dims));
    const norms = Float32Array.from({ length: map.rows * map.columns }, (_, i) => {
      let sum = 0;
      for (let d = 0; d < map.dims; d++) sum += vectors[i * map.dims + d] ** 2;
      return Math.sqrt(sum) || 1;
    });
    return { ...map, vectors, norms };
  });

  function colour(value) {
    const position = clamp(value, 0, 1) * (scale.length - 1);
    const i = Math.min(scale.length - 2, Math.floor(position));
    return scale[i].map((low, k) => low + (position - i) * (scale[i + 1][k] - low));
  }

  const root = makeFigure("similar", el, get("alt"));
  const panels = make("div", "mss-panels", root);
  const makeStage = (title) => {
    const panel = make("div", null, panels);
    make("div", "mss-title", panel, title);
    const stage = make("div", "mss-similar-stage mss-layers", panel);
    stage.style.width = `${width}px`;
    stage.style.aspectRatio = `${width} / ${height}`;
    stage.addEventListener("pointerdown", (event) => {
      stage.setPointerCapture(event.pointerId);
      photo.focus({ preventScroll: true });
      choose(...pointerIn(stage, event));
    });
    stage.addEventListener("pointermove", (event) => event.buttons && choose(...pointerIn(stage, event)));
    return [panel, stage];
  };
  const [, photo] = makeStage("the photo: click a place");
  photo.tabIndex = 0;
  photo.setAttribute("role", "application");
  photo.setAttribute("aria-label", `${get("alt")} Arrow keys move the chosen place, with Shift farther.`);
  const image = make("img", null, photo);
  image.src = get("url");
  image.alt = "";
  image.draggable = false;
  const rings = [make("i", "mss-similar-ring", photo)];
  for (const map of maps) {
    const [panel, stage] = makeStage(map.name);
    map.canvas = makeCanvas(stage, "mss-pixels", map.columns, map.rows);
    rings.push(make("i", "mss-similar-ring", stage));
    make("div", "mss-size", panel, `${map.columns} × ${map.rows} cells`);
  }
  const legend = make("div", "mss-legend", root, "similarity: 0 or less");
  const bar = make("i", null, legend);
  bar.setAttribute("aria-hidden", "true");
  bar.style.background = `linear-gradient(90deg, ${scale.map((c) => `rgb(${c.join()})`).join()})`;
  legend.append("1, the same");
  const status = makeStatus(root);
  make("figcaption", "mss-caption", root, "Click or drag in any picture; arrow keys move by one cell of the finest map, with Shift by four.");

  function choose(x, y) {
    model.set("x", clamp(x, 0, 0.9999));
    model.set("y", clamp(y, 0, 0.9999));
    model.save_changes();
  }
  const finest = maps.reduce((a, b) => (b.columns > a.columns ? b : a), maps[0]);
  photo.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 4 : 1;
    const move = arrow(event);
    if (!move || withModifier(event)) return;
    choose(get("x") + (step * move[0]) / finest.columns, get("y") + (step * move[1]) / finest.rows);
    consume(event);
  });

  function draw() {
    const [x, y] = [get("x"), get("y")];
    const shares = [];
    for (const { name, rows, columns, dims, vectors, norms, canvas } of maps) {
      const [row, column] = [Math.min(rows - 1, Math.floor(y * rows)), Math.min(columns - 1, Math.floor(x * columns))];
      const chosen = row * columns + column;
      const context = canvas.getContext("2d");
      const pixels = context.createImageData(columns, rows);
      let similar = 0;
      for (let i = 0; i < rows * columns; i++) {
        let product = 0;
        for (let d = 0; d < dims; d++) product += vectors[chosen * dims + d] * vectors[i * dims + d];
        const cosine = product / (norms[chosen] * norms[i]);
        if (cosine >= SIMILAR) similar++;
        pixels.data.set([...colour(cosine), 255], 4 * i);
      }
      context.putImageData(pixels, 0, 0);
      const share = ((100 * similar) / (rows * columns)).toFixed(1);
      canvas.setAttribute("aria-label", `${name}: ${share} % of the cells are similar.`);
      shares.push(`${share} % (${name})`);
    }
    for (const ring of rings) [ring.style.left, ring.style.top] = [`${100 * x}%`, `${100 * y}%`];
    status.textContent = `Chosen: ${Math.round(100 * x)} % from the left, ${Math.round(100 * y)} % from the top. Similarity ${SIMILAR} or more: ${shares.join(", ")} of the cells.`;
  }
  return drawOnChange(model, ["x", "y"], draw);
}

export default { render };
