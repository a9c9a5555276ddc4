// Every zoom of a photo: a place (one of nine), a size (one of 36), the crop, and the classifier's
// five most likely answers. State in the model: photo, size_px, anchor. All answers are inside.

const MOST_LIKELY = 5;

function render({ model, el }) {
  const get = (name) => model.get(name);
  const photos = get("photos");
  const sizes = get("sizes");
  const anchors = get("anchors");
  const names = get("names");
  const cropPx = get("crop_px");

  const root = makeFigure("zooms", el, get("alt"));
  const choice = photos.length > 1 ? make("div", "mss-controls mss-zooms-photos", root) : null;
  const choices = photos.map((p, i) => choice && makeButton(choice, p.name, () => set({ photo: i })));

  const panels = make("div", "mss-panels", root);
  const makePanel = (text) => {
    const panel = make("div", null, panels);
    return [panel, make("div", "mss-title", panel, text)];
  };
  const [left] = makePanel("the photo: choose a place");
  const stage = make("div", "mss-zooms-stage mss-layers", left);
  stage.tabIndex = 0;
  stage.setAttribute("role", "application");
  const image = make("img", null, stage);
  image.alt = "";
  image.draggable = false;
  image.decoding = "sync";
  const dots = anchors.map((_, i) => {
    const dot = make("i", "mss-zooms-dot", stage);
    [dot.style.left, dot.style.top] = [`${(100 * ((i % 3) + 0.5)) / 3}%`, `${(100 * (Math.floor(i / 3) + 0.5)) / 3}%`];
    return dot;
  });
  const frame = make("div", "mss-box", stage);
  const photoSize = make("div", "mss-size", left);

  const [middle] = makePanel("what the network gets");
  const canvas = makeCanvas(middle, null, cropPx, cropPx);
  make("div", "mss-size", middle, `${cropPx} × ${cropPx} px`);

  const [right] = makePanel("what it says");
  const bars = Array.from({ length: MOST_LIKELY }, () => {
    const row = make("div", "mss-zooms-row", right);
    const name = make("span", "mss-zooms-name", row);
    const share = make("span", "mss-zooms-share", row);
    return { row, name, share, bar: make("i", null, make("div", "mss-zooms-bar", row)) };
  });
  const truth = make("div", "mss-size", right);

  const controls = make("div", "mss-controls", root);
  make("span", "mss-range-end", controls, "small, far away");
  const range = makeRange(controls, { min: 0, max: sizes.length - 1, step: 1 }, "size of the photo's smaller side in pixels", (i) => set({ size_px: sizes[i] }));
  make("span", "mss-range-end", controls, "large, close by");
  const status = makeStatus(root);
  make("figcaption", "mss-caption", root, "Drag the slider for the size. Click or drag in the photo for the place; there, arrow keys move the place, + and − change the size.");

  let waiting = null;
  function set(changes) {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    clearTimeout(waiting);
    waiting = setTimeout(() => model.save_changes(), 120);
  }
  function place(column, row) {
    set({ anchor: 3 * clamp(row, 0, 2) + clamp(column, 0, 2) });
  }
  function pointed(event) {
    place(...pointerIn(stage, event).map((share) => Math.floor(3 * share)));
  }
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    stage.focus({ preventScroll: true });
    pointed(event);
  });
  stage.addEventListener("pointermove", (event) => event.buttons && pointed(event));
  stage.addEventListener("keydown", (event) => {
    if (withModifier(event)) return;
    const move = arrow(event);
    const step = { "+": 1, "=": 1, "-": -1, "−": -1 }[event.key];
    const anchor = get("anchor");
    if (move) place((anchor % 3) + move[0], Math.floor(anchor / 3) + move[1]);
    else if (step) set({ size_px: sizes[clamp(sizes.indexOf(get("size_px")) + step, 0, sizes.length - 1)] });
    else return;
    consume(event);
  });

  function drawCrop(left, top, width, height) {
    const context = canvas.getContext("2d");
    context.fillStyle = "#000";
    context.fillRect(0, 0, cropPx, cropPx);
    context.imageSmoothingQuality = "high";
    if (image.complete && image.naturalWidth) context.drawImage(image, left, top, width, height, 0, 0, cropPx, cropPx);
  }

  function draw() {
    const begun = performance.now();
    const photo = photos[get("photo")];
    const [size, anchor] = [get("size_px"), get("anchor")];
    if (image.src !== photo.url) {
      image.src = photo.url;
      image.decode().then(draw, () => {}); // the crop is cut from it
    }
    // of tall photos, only so wide that they stay beside the crop
    const width = Math.round(Math.min(get("width"), (get("width") * photo.width) / photo.height));
    stage.style.width = `${width}px`;
    stage.style.aspectRatio = `${photo.width} / ${photo.height}`;
    photoSize.textContent = `${photo.width} × ${photo.height} px`;
    choices.forEach((button, i) => button && button.setAttribute("aria-pressed", i === get("photo")));

    const at = sizes.indexOf(size) * anchors.length + anchor;
    const [left, top, boxWidth, boxHeight] = photo.boxes.slice(4 * at, 4 * at + 4);
    drawCrop(left, top, boxWidth, boxHeight);
    frame.style.left = `${(100 * left) / photo.width}%`;
    frame.style.top = `${(100 * top) / photo.height}%`;
    frame.style.width = `${(100 * boxWidth) / photo.width}%`;
    frame.style.height = `${(100 * boxHeight) / photo.height}%`;
    dots.forEach((dot, i) => dot.classList.toggle("mss-zooms-chosen", i === anchor));

    const classes = photo.classes.slice(MOST_LIKELY * at, MOST_LIKELY * (at + 1));
    const shares = photo.shares.slice(MOST_LIKELY * at, MOST_LIKELY * (at + 1));
    bars.forEach(({ row, name, share, bar }, i) => {
      const isRight = photo.labels.includes(classes[i]);
      name.textContent = `${isRight ? "✓ " : ""}${names[classes[i]]}`;
      share.textContent = `${Math.round(100 * shares[i])} %`;
      bar.style.width = `${100 * shares[i]}%`;
      row.classList.toggle("mss-zooms-right", isRight);
    });
    truth.textContent = `✓ right: ${photo.labels.map((label) => names[label]).join(" or ")}`;
    const verdict = photo.labels.includes(classes[0]) ? "right" : "wrong";
    status.textContent = `${size} px, ${anchors[anchor]}: ${names[classes[0]]}, ${Math.round(100 * shares[0])} %. That is ${verdict}.`;
    range.value = sizes.indexOf(size);
    range.setAttribute("aria-valuetext", `${size} px`);
    stage.setAttribute("aria-label", `${get("alt")} Arrow keys move the place, plus and minus change the size.`);
    canvas.setAttribute("aria-label", `The crop of ${photo.name} at ${size} px, ${anchors[anchor]}.`);
    root.dataset.ms = (performance.now() - begun).toFixed(1);
  }
  return drawOnChange(model, ["photo", "size_px", "anchor"], draw);
}

export default { render };
