// Click a place in a photo, and see how similar every other place is: one map per way to describe it.
// State in the model: x, y (shares of the photo). All features are inside: no kernel is needed.

// dark to bright, as in matplotlib's magma; equal steps look equally large
const SCALE = [[0, 0, 4], [40, 17, 89], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39], [252, 255, 164]];
const LIKE = 0.6;

function colour(value) {
  const at = Math.min(1, Math.max(0, value)) * (SCALE.length - 1);
  const i = Math.min(SCALE.length - 2, Math.floor(at));
  return SCALE[i].map((low, k) => low + (at - i) * (SCALE[i + 1][k] - low));
}

function render({ model, el }) {
  const get = (name) => model.get(name);
  const [wide, tall] = get("shape");
  const view = get("data");
  const bytes = new Int8Array(view.buffer ?? view, view.byteOffset ?? 0, view.byteLength);
  let start = 0;
  const maps = get("maps").map((map) => {
    const vectors = bytes.subarray(start, (start += map.rows * map.columns * map.dims));
    return { ...map, vectors };
  });
  for (const map of maps) {
    map.lengths = Float32Array.from({ length: map.rows * map.columns }, (_, i) => {
      let sum = 0;
      for (let d = 0; d < map.dims; d++) sum += map.vectors[i * map.dims + d] ** 2;
      return Math.sqrt(sum) || 1;
    });
  }

  const root = make("figure", "mss mss-similar", el);
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", get("alt"));
  const panels = make("div", "mss-panels", root);
  const rings = [];
  const stage = (title) => {
    const panel = make("div", null, panels);
    make("div", "mss-title", panel, title);
    const place = make("div", "mss-similar-stage", panel);
    place.style.width = `${wide}px`;
    place.style.aspectRatio = `${wide} / ${tall}`;
    place.addEventListener("pointerdown", (event) => {
      place.setPointerCapture(event.pointerId);
      first.focus({ preventScroll: true });
      choose(event, place);
    });
    place.addEventListener("pointermove", (event) => event.buttons && choose(event, place));
    return [panel, place];
  };
  const [, first] = stage("the photo: click a place");
  first.tabIndex = 0;
  first.setAttribute("role", "application");
  first.setAttribute("aria-label", `${get("alt")} Arrow keys move the chosen place, with Shift farther.`);
  const image = make("img", null, first);
  image.src = get("url");
  image.alt = "";
  image.draggable = false;
  rings.push(make("i", "mss-similar-ring", first));
  for (const map of maps) {
    const [panel, place] = stage(map.name);
    map.canvas = make("canvas", "mss-pixels", place);
    [map.canvas.width, map.canvas.height] = [map.columns, map.rows];
    map.canvas.setAttribute("role", "img");
    rings.push(make("i", "mss-similar-ring", place));
    map.note = make("div", "mss-size", panel);
  }
  const legend = make("div", "mss-similar-legend", root, "similarity: 0 or less");
  const bar = make("i", null, legend);
  bar.setAttribute("aria-hidden", "true");
  bar.style.background = `linear-gradient(90deg, ${SCALE.map((c) => `rgb(${c.join()})`).join()})`;
  legend.append("1, the same");
  const said = make("p", "mss-said", root);
  said.setAttribute("aria-live", "polite");
  make("figcaption", "mss-caption", root, "Click or drag in any picture; arrow keys move by one cell of the finest map, with Shift by four.");

  function put(x, y) {
    model.set("x", Math.min(0.9999, Math.max(0, x)));
    model.set("y", Math.min(0.9999, Math.max(0, y)));
    model.save_changes();
  }
  function choose(event, place) {
    const r = place.getBoundingClientRect();
    put((event.clientX - r.left) / r.width, (event.clientY - r.top) / r.height);
  }
  const finest = maps.reduce((a, b) => (b.columns > a.columns ? b : a), maps[0]);
  first.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 4 : 1;
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    put(get("x") + (step * move[0]) / finest.columns, get("y") + (step * move[1]) / finest.rows);
    event.preventDefault();
    event.stopPropagation();
  });

  function draw() {
    const [x, y] = [get("x"), get("y")];
    const alike = [];
    for (const map of maps) {
      const { rows, columns, dims, vectors, lengths } = map;
      const [row, column] = [Math.min(rows - 1, Math.floor(y * rows)), Math.min(columns - 1, Math.floor(x * columns))];
      const chosen = row * columns + column;
      const pen = map.canvas.getContext("2d");
      const pixels = pen.createImageData(columns, rows);
      let many = 0;
      for (let i = 0; i < rows * columns; i++) {
        let sum = 0;
        for (let d = 0; d < dims; d++) sum += vectors[chosen * dims + d] * vectors[i * dims + d];
        const like = sum / (lengths[chosen] * lengths[i]);
        if (like >= LIKE) many++;
        pixels.data.set([...colour(like), 255], 4 * i);
      }
      pen.putImageData(pixels, 0, 0);
      const share = ((100 * many) / (rows * columns)).toFixed(1);
      map.canvas.setAttribute("aria-label", `${map.name}: ${share} % of the cells are similar.`);
      map.note.textContent = `${columns} × ${rows} cells`;
      alike.push(`${share} % (${map.name})`);
    }
    for (const ring of rings) [ring.style.left, ring.style.top] = [`${100 * x}%`, `${100 * y}%`];
    said.textContent = `Chosen: ${Math.round(100 * x)} % from the left, ${Math.round(100 * y)} % from the top. Similarity ${LIKE} or more: ${alike.join(", ")} of the cells.`;
  }
  model.on("change:x", draw);
  model.on("change:y", draw);
  draw();
  return () => {
    model.off("change:x", draw);
    model.off("change:y", draw);
  };
}

export default { render };
