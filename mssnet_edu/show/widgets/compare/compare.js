// Before/after wipe with a loupe that shows the same spot in every picture.
// State lives in the model: pictures, left, right (numbers of pictures), position (0 to 100, where
// the bar stands), look_x, look_y (0 to 1, where the loupe looks), zoom, truth (a number, or -1).

const MIN_PANE_PX = 130; // panes smaller than this stand below the stage
const LIMITS = { position: [0, 100], look_x: [0, 1], look_y: [0, 1], zoom: [1, 32] };

function render({ model, el }) {
  const get = (name) => model.get(name);
  const pictures = get("pictures");
  const aspect = pictures[0].height / pictures[0].width;
  const fullWidth = Math.max(...pictures.map((p) => p.width)); // the loupe's zoom counts these pixels
  const fullHeight = fullWidth * aspect;

  const root = makeFigure("compare", el, get("alt"));

  // above the stage, so that they cover nothing: the names; a list where there are more than two
  const head = make("div", "mss-head", root);
  const labels = {};
  for (const side of ["left", "right"]) {
    const label = make("div", `mss-label mss-label-${side}`, head);
    const select = pictures.length > 2 ? make("select", null, label) : null;
    if (select) {
      select.setAttribute("aria-label", `Picture on the ${side}`);
      pictures.forEach((p, i) => (make("option", null, select, `${i + 1} · ${p.name}`).value = i));
      select.addEventListener("change", () => set({ [side]: +select.value }));
    }
    const name = make("b", null, label);
    labels[side] = { select, name, mark: make("span", null, label), note: make("div", "mss-size", label) };
  }

  const paneNames = get("truth") >= 0 ? ["left", "right", "truth"] : ["left", "right"];
  const width = get("width");
  // beside the stage if panes of a good size fit into its height, else below it
  const paneBeside = (width * aspect - 30 * paneNames.length - 40) / paneNames.length;
  const beside = paneBeside >= MIN_PANE_PX;
  const pane = Math.floor(Math.min(220, beside ? paneBeside : (width + 16) / paneNames.length - 16));
  head.style.width = `${width}px`;

  const row = make("div", beside ? "mss-side" : "mss-side mss-below", root);
  const stage = make("div", "mss-stage mss-layers", row);
  stage.style.width = `${width}px`;
  stage.style.aspectRatio = `${pictures[0].width} / ${pictures[0].height}`;
  const images = pictures.map((p) => {
    const image = make("img", null, stage);
    image.src = p.url;
    image.draggable = false;
    image.decoding = "sync"; // no flash when another picture is chosen
    if (p.width * 2 <= width) image.classList.add("mss-pixels");
    return image;
  });
  const lens = make("div", "mss-lens", stage);
  const bar = make("div", "mss-bar", stage);
  const grip = make("div", "mss-grip", bar);
  grip.tabIndex = 0;
  grip.setAttribute("role", "slider");
  grip.setAttribute("aria-valuemin", 0);
  grip.setAttribute("aria-valuemax", 100);
  grip.setAttribute("aria-label", "Where the left picture ends, in per cent of the width");

  // the loupe: one pane each for left, right and, where it is known, the truth
  const loupe = make("div", "mss-loupe", row);
  if (!beside) loupe.style.maxWidth = `${width}px`; // else the zoom's buttons widen the figure
  const panes = paneNames.map((which) => {
    const figure = make("figure", "mss-pane", loupe);
    const title = make("figcaption", null, figure);
    const side = pane * Math.min(3, Math.ceil(window.devicePixelRatio || 1));
    const canvas = makeCanvas(figure, null, side, side);
    figure.style.width = canvas.style.width = canvas.style.height = `${pane}px`;
    return { which, title, canvas };
  });
  const zoomControls = make("div", "mss-zoom", loupe);
  const less = makeButton(zoomControls, "−", () => set({ zoom: get("zoom") / 2 }), "Loupe: magnify less");
  const zoomText = make("span", null, zoomControls);
  const more = makeButton(zoomControls, "+", () => set({ zoom: get("zoom") * 2 }), "Loupe: magnify more");

  const keys = pictures.length > 2 ? " Keys 1 to " + pictures.length + " choose the right picture, with Shift the left." : "";
  const help = make("figcaption", "mss-caption", root,
    "Drag the bar, or use ← → Home End. Point at the picture to look closer; Shift + arrows move the loupe, + and − change it." + keys);
  help.style.maxWidth = `${width + (beside ? pane + 18 : 0)}px`;

  // one place that changes the state: clamps, stores, tells Python when the hand rests
  let waiting = null;
  function set(changes) {
    for (const [name, value] of Object.entries(changes)) {
      model.set(name, name in LIMITS ? clamp(value, ...LIMITS[name]) : value);
    }
    clearTimeout(waiting);
    waiting = setTimeout(() => model.save_changes(), 120);
  }

  function drawStage() {
    const position = get("position");
    const [left, right] = [get("left"), get("right")];
    images.forEach((image, i) => {
      image.style.visibility = i === left || i === right ? "visible" : "hidden";
      image.style.clipPath = i === right && i !== left ? `inset(0 0 0 ${position}%)` : "none";
      image.style.zIndex = i === right ? 1 : 0;
      image.alt = i === left || i === right ? `${get("alt")} ${i === left ? "Left" : "Right"}: ${pictures[i].name}.` : "";
    });
    bar.style.left = `${position}%`;
    grip.setAttribute("aria-valuenow", Math.round(position));
    grip.setAttribute("aria-valuetext", `${Math.round(position)} % ${pictures[left].name}, the rest ${pictures[right].name}`);
    for (const side of ["left", "right"]) {
      const { select, name, mark, note } = labels[side];
      const picture = pictures[get(side)];
      if (select) select.value = get(side);
      else name.textContent = picture.name;
      note.textContent = [`${picture.width} × ${picture.height} px`, picture.psnr].filter(Boolean).join(", ");
      mark.textContent = picture.mark;
      mark.className = picture.mark ? `mss-mark mss-mark-${picture.mark}` : "";
    }
  }

  function drawLoupe() {
    const zoom = get("zoom");
    const side = pane / zoom; // what a pane covers, in pixels of the largest picture
    // the centre of what is covered, so that it stays within the picture
    const inside = (share, length) => {
      const margin = Math.min(side, length) / 2;
      return clamp(share * length, margin, length - margin);
    };
    const [x, y] = [inside(get("look_x"), fullWidth), inside(get("look_y"), fullHeight)];
    lens.style.left = `${(100 * (x - side / 2)) / fullWidth}%`;
    lens.style.top = `${(100 * (y - side / 2)) / fullHeight}%`;
    lens.style.width = `${(100 * side) / fullWidth}%`;
    lens.style.height = `${(100 * side) / fullHeight}%`;
    const where = `${Math.round(100 * get("look_x"))} % from the left, ${Math.round(100 * get("look_y"))} % from the top`;
    for (const { which, title, canvas } of panes) {
      const { name } = pictures[get(which)];
      const image = images[get(which)];
      const context = canvas.getContext("2d");
      context.imageSmoothingEnabled = false; // pixels stay squares
      context.clearRect(0, 0, canvas.width, canvas.height);
      if (image.complete && image.naturalWidth) {
        const k = image.naturalWidth / fullWidth; // also of very large pictures, which arrive reduced
        context.drawImage(image, (x - side / 2) * k, (y - side / 2) * k, side * k, side * k, 0, 0, canvas.width, canvas.height);
      }
      title.textContent = name;
      canvas.setAttribute("aria-label", `${name}, magnified ${zoom} times around ${where}`);
    }
    zoomText.textContent = `Loupe ${zoom} ×`;
    less.disabled = zoom <= 1;
    more.disabled = zoom >= 32;
  }

  let dragging = false;
  const onMove = (event) => {
    const [x, y] = pointerIn(stage, event);
    if (dragging) set({ position: 100 * x, look_x: x, look_y: y });
    else if (event.pointerType === "mouse") set({ look_x: x, look_y: y });
  };
  const onUp = () => (dragging = false);
  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    dragging = true;
    stage.setPointerCapture(event.pointerId);
    grip.focus({ preventScroll: true });
    onMove(event);
    event.preventDefault();
  });
  stage.addEventListener("pointermove", onMove);
  stage.addEventListener("pointerup", onUp);
  stage.addEventListener("pointercancel", onUp);

  root.addEventListener("keydown", (event) => {
    if (event.target.tagName === "SELECT" || withModifier(event)) return;
    const move = arrow(event);
    const digit = /^Digit([1-9])$/.exec(event.code);
    if (move && event.shiftKey) set({ look_x: get("look_x") + 0.02 * move[0], look_y: get("look_y") + 0.02 * move[1] });
    else if (move && move[0]) set({ position: get("position") + 2 * move[0] });
    else if (event.key === "Home") set({ position: 0 });
    else if (event.key === "End") set({ position: 100 });
    else if (event.key === "+" || event.key === "=") set({ zoom: get("zoom") * 2 });
    else if (event.key === "-") set({ zoom: get("zoom") / 2 });
    else if (digit && +digit[1] <= pictures.length && pictures.length > 2) set({ [event.shiftKey ? "left" : "right"]: digit[1] - 1 });
    else return;
    consume(event);
  });

  images.forEach((image) => image.addEventListener("load", drawLoupe));
  const stops = [
    drawOnChange(model, ["position", "left", "right"], drawStage),
    drawOnChange(model, ["look_x", "look_y", "zoom", "left", "right"], drawLoupe),
  ];
  return () => {
    clearTimeout(waiting);
    stops.forEach((stop) => stop());
  };
}

export default { render };
