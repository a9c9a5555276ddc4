// Choose files or drop them; each is sent in parts, which the kernel asks for one by one.
// State in the model: verdicts [{name, said, taken, url}].

const PART = 1_000_000; // bytes; Jupyter drops messages of more than ten times as many

function render({ model, el }) {
  const root = makeFigure("upload", el, model.get("alt"));
  const zone = make("label", "mss-drop", root);
  make("span", null, zone, "Choose photos, or drop them here");
  const input = make("input", null, zone);
  Object.assign(input, { type: "file", accept: "image/*,.tif,.tiff,.heic,.avif,.jxl,.ppm,.pgm", multiple: true });
  input.setAttribute("aria-label", model.get("alt"));
  const status = makeStatus(root);
  const list = make("ul", "mss-verdicts", root);

  let waiting = [];
  let current = null;

  function next() {
    current = waiting.shift() ?? null;
    if (!current) {
      input.value = ""; // the same file may be chosen again
      return;
    }
    status.textContent = `Reading ${current.name} …`;
    model.send({ kind: "file", name: current.name, size: current.size });
  }

  async function answer(content) {
    if (!current) return; // another view of the same widget is sending
    if (content.kind === "next file") return next();
    const from = content.from;
    const done = Math.round((100 * from) / current.size);
    status.textContent = `Reading ${current.name}: ${done} %`;
    try {
      const bytes = await current.slice(from, from + PART).arrayBuffer();
      model.send({ kind: "bytes" }, undefined, [bytes]);
    } catch {
      status.textContent = `${current.name} cannot be read. Was it moved, or changed?`;
      next();
    }
  }

  function add(files) {
    waiting.push(...files);
    if (!current) next();
  }

  input.addEventListener("change", () => add(input.files));
  for (const type of ["dragover", "dragleave", "drop"])
    zone.addEventListener(type, (event) => {
      consume(event);
      zone.classList.toggle("mss-over", type === "dragover");
      if (type === "drop") add(event.dataTransfer.files);
    });

  function draw() {
    const verdicts = model.get("verdicts");
    list.replaceChildren();
    for (const { name, said, taken, url } of verdicts) {
      const item = make("li", taken ? null : "mss-refused", list);
      if (url) {
        const image = make("img", null, item);
        [image.src, image.alt] = [url, name];
      }
      make("span", null, item, taken ? `${name}: ${said}` : `Not taken: ${said.startsWith(name) ? said : `${name}: ${said}`}`);
    }
    const last = verdicts.filter((verdict) => verdict.taken).at(-1);
    status.textContent = last ? `Your photo: ${last.name}, ${last.said}` : "No photo yet.";
  }

  model.on("msg:custom", answer);
  const stop = drawOnChange(model, ["verdicts"], draw);
  return () => {
    model.off("msg:custom", answer);
    stop();
  };
}

export default { render };
