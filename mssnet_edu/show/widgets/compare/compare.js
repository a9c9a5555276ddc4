// Before/after wipe with a loupe that shows the same spot in every picture.
// State lives in the model: pictures, left, right (numbers of pictures), position (0 to 100, where
// the bar stands), look_x, look_y (0 to 1, where the loupe looks), zoom, truth (a number, or -1).

function render({ model, el }) {
  const get = (name) => model.get(name);
  const pictures = get("pictures");
  const most = Math.max(...pictures.map((p) => p.width)); // the loupe's zoom counts these pixels

  const root = make("figure", "mss mss-compare", el);
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", get("alt"));

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

  const panesShown = get("truth") >= 0 ? 3 : 2;
  const wide = get("width");
  const tall = (wide * pictures[0].height) / pictures[0].width;
  // beside the stage if panes of a good size fit into its height, else below it
  const beside = (tall - 30 * panesShown - 40) / panesShown;
  const pane = Math.floor(Math.min(220, beside >= 130 ? beside : (wide + 16) / panesShown - 16));
  head.style.width = `${wide}px`;

  const row = make("div", beside >= 130 ? "mss-side" : "mss-side mss-below", root);
  const stage = make("div", "mss-stage", row);
  stage.style.width = `${wide}px`;
  stage.style.aspectRatio = `${pictures[0].width} / ${pictures[0].height}`;
  const images = pictures.map((p) => {
    const image = make("img", null, stage);
    image.src = p.url;
    image.draggable = false;
    image.decoding = "sync"; // no flash when another picture is chosen
    if (p.width * 2 <= wide) image.classList.add("mss-pixels");
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
  if (beside < 130) loupe.style.maxWidth = `${wide}px`; // else the zoom's buttons widen the figure
  const panes = ["left", "right", ...(get("truth") >= 0 ? ["truth"] : [])].map((which) => {
    const figure = make("figure", "mss-pane", loupe);
    const title = make("figcaption", null, figure);
    const canvas = make("canvas", null, figure);
    figure.style.width = canvas.style.width = canvas.style.height = `${pane}px`;
    canvas.width = canvas.height = pane * Math.min(3, Math.ceil(window.devicePixelRatio || 1));
    canvas.setAttribute("role", "img");
    return { which, title, canvas };
  });
  const tools = make("div", "mss-zoom", loupe);
  const less = make("button", null, tools, "−");
  const shown = make("span", null, tools);
  const more = make("button", null, tools, "+");
  less.setAttribute("aria-label", "Loupe: magnify less");
  more.setAttribute("aria-label", "Loupe: magnify more");
  less.addEventListener("click", () => set({ zoom: get("zoom") / 2 }));
  more.addEventListener("click", () => set({ zoom: get("zoom") * 2 }));

  const keys = pictures.length > 2 ? " Keys 1 to " + pictures.length + " choose the right picture, with Shift the left." : "";
  const help = make("figcaption", "mss-caption", root,
    "Drag the bar, or use ← → Home End. Point at the picture to look closer; Shift + arrows move the loupe, + and − change it." + keys);
  help.style.maxWidth = `${wide + (beside >= 130 ? pane + 18 : 0)}px`;

  // one place that changes the state: clamps, stores, tells Python when the hand rests
  let waiting = null;
  function set(changes) {
    const clamp = (v, low, high) => Math.min(high, Math.max(low, v));
    const limits = { position: [0, 100], look_x: [0, 1], look_y: [0, 1], zoom: [1, 32] };
    for (const [name, value] of Object.entries(changes)) {
      model.set(name, name in limits ? clamp(value, ...limits[name]) : value);
    }
    clearTimeout(waiting);
    waiting = setTimeout(() => model.save_changes(), 120);
  }

  function drawStage() {
    const at = get("position");
    const [left, right] = [get("left"), get("right")];
    images.forEach((image, i) => {
      image.style.visibility = i === left || i === right ? "visible" : "hidden";
      image.style.clipPath = i === right && i !== left ? `inset(0 0 0 ${at}%)` : "none";
      image.style.zIndex = i === right ? 1 : 0;
      image.alt = i === left || i === right ? `${get("alt")} ${i === left ? "Left" : "Right"}: ${pictures[i].name}.` : "";
    });
    bar.style.left = `${at}%`;
    grip.setAttribute("aria-valuenow", Math.round(at));
    grip.setAttribute("aria-valuetext", `${Math.round(at)} % ${pictures[left].name}, the rest ${pictures[right].name}`);
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
    const high = (most * pictures[0].height) / pictures[0].width;
    const x = Math.min(Math.max(get("look_x") * most, Math.min(side, most) / 2), most - Math.min(side, most) / 2);
    const y = Math.min(Math.max(get("look_y") * high, Math.min(side, high) / 2), high - Math.min(side, high) / 2);
    lens.style.left = `${(100 * (x - side / 2)) / most}%`;
    lens.style.top = `${(100 * (y - side / 2)) / high}%`;
    lens.style.width = `${(100 * side) / most}%`;
    lens.style.height = `${(100 * side) / high}%`;
    for (const { which, title, canvas } of panes) {
      const picture = pictures[get(which)];
      const image = images[get(which)];
      const scale = picture.width / most;
      const draw = canvas.getContext("2d");
      draw.imageSmoothingEnabled = false; // pixels stay squares
      draw.clearRect(0, 0, canvas.width, canvas.height);
      if (image.complete && image.naturalWidth) {
        const real = image.naturalWidth / picture.width; // very large pictures arrive reduced
        const k = scale * real;
        draw.drawImage(image, (x - side / 2) * k, (y - side / 2) * k, side * k, side * k, 0, 0, canvas.width, canvas.height);
      }
      title.textContent = picture.name;
      canvas.setAttribute("aria-label", `${picture.name}, magnified ${zoom} times around ${Math.round(100 * get("look_x"))} % from the left, ${Math.round(100 * get("look_y"))} % from the top`);
    }
    shown.textContent = `Loupe ${zoom} ×`;
    less.disabled = zoom <= 1;
    more.disabled = zoom >= 32;
  }

  const place = (event) => {
    const box = stage.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  let dragging = false;
  const onDown = (event) => {
    if (event.button) return;
    dragging = true;
    stage.setPointerCapture(event.pointerId);
    grip.focus({ preventScroll: true });
    onMove(event);
    event.preventDefault();
  };
  const onMove = (event) => {
    const [x, y] = place(event);
    if (dragging) set({ position: 100 * x, look_x: x, look_y: y });
    else if (event.pointerType === "mouse") set({ look_x: x, look_y: y });
  };
  const onUp = () => (dragging = false);
  stage.addEventListener("pointerdown", onDown);
  stage.addEventListener("pointermove", onMove);
  stage.addEventListener("pointerup", onUp);
  stage.addEventListener("pointercancel", onUp);

  const onKey = (event) => {
    if (event.target.tagName === "SELECT" || event.ctrlKey || event.metaKey || event.altKey) return;
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const digit = /^Digit([1-9])$/.exec(event.code);
    if (move && event.shiftKey) set({ look_x: get("look_x") + 0.02 * move[0], look_y: get("look_y") + 0.02 * move[1] });
    else if (move && move[0]) set({ position: get("position") + 2 * move[0] });
    else if (event.key === "Home") set({ position: 0 });
    else if (event.key === "End") set({ position: 100 });
    else if (event.key === "+" || event.key === "=") set({ zoom: get("zoom") * 2 });
    else if (event.key === "-") set({ zoom: get("zoom") / 2 });
    else if (digit && +digit[1] <= pictures.length && pictures.length > 2) set({ [event.shiftKey ? "left" : "right"]: digit[1] - 1 });
    else return;
    event.preventDefault(); // the page must not scroll
    event.stopPropagation();
  };
  root.addEventListener("keydown", onKey);

  const drawAll = () => { drawStage(); drawLoupe(); };
  for (const name of ["position", "left", "right"]) model.on(`change:${name}`, drawStage);
  for (const name of ["look_x", "look_y", "zoom", "left", "right"]) model.on(`change:${name}`, drawLoupe);
  images.forEach((image) => image.addEventListener("load", drawLoupe));
  drawAll();
  return () => {
    clearTimeout(waiting);
    model.off("change:position change:left change:right", drawStage);
    model.off("change:look_x change:look_y change:zoom change:left change:right", drawLoupe);
  };
}

export default { render };
