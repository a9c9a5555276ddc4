// You are the policy: adopt this frame as the reference, or keep the one in memory? No kernel needed.
// State in the model: choices [true or false, ...], one for each frame that has been decided.

// The reference of each frame so far, null for none: a decision is for the frames that follow.
function referencesOf(choices) {
  const references = [null];
  choices.forEach((adopted, t) => references.push(adopted ? t : references[t]));
  return references;
}

// The mean of what is known, in dB; null where nothing is.
function mean(values) {
  const known = values.filter((v) => v !== null);
  return known.length ? known.reduce((a, b) => a + b, 0) / known.length : null;
}

function render({ model, el }) {
  const get = (name) => model.get(name);
  const [urls, notes, none, pairs] = ["urls", "notes", "none", "pairs"].map(get);
  const last = urls.length - 1;
  const [frameWidth, frameHeight] = get("shape");
  const qualitiesOf = (references) => references.map((s, t) => (s === null ? none[t] : pairs[t][s]));
  const inDb = (value) => (value === null ? "–" : `${value.toFixed(1)} dB`);

  const root = makeFigure("reference", el, get("alt"));
  root.tabIndex = -1; // a click anywhere in the figure makes the keys work
  const row = make("div", "mss-panels", root);
  const makeView = () => {
    const figure = make("figure", null, row);
    const title = make("div", "mss-title", figure);
    const view = make("div", "mss-layers mss-reference-empty", figure, "nothing yet");
    view.style.width = `${get("width")}px`;
    view.style.aspectRatio = `${frameWidth} / ${frameHeight}`;
    const image = make("img", get("width") >= 2 * frameWidth ? "mss-pixels" : null, view);
    image.draggable = false;
    image.decoding = "sync";
    return { title, image, note: make("div", "mss-size", figure) };
  };
  const [current, memory] = [makeView(), makeView()];

  const status = makeStatus(root);
  const controls = make("div", "mss-controls", root);
  const adopt = makeButton(controls, "Adopt this frame (A)", () => choose(true));
  const keep = makeButton(controls, "Keep the memory (K)", () => choose(false));
  const again = makeButton(controls, "Play again", () => {
    model.set("choices", []);
    model.save_changes();
    adopt.focus();
  });

  const tracks = make("div", "mss-reference-tracks", root);
  tracks.style.width = `${2 * get("width") + 16}px`;
  const makeTrack = (name) => {
    const track = make("div", "mss-reference-track", tracks);
    make("b", null, track, name);
    const cells = make("div", "mss-reference-cells", track);
    cells.setAttribute("role", "img");
    return { track, cells, bars: urls.map(() => make("i", null, cells)), score: make("div", "mss-reference-score", track) };
  };
  const mine = makeTrack("you");
  const others = get("rivals").map((rival) => ({ rival, ...makeTrack(rival.name) }));
  make("figcaption", "mss-caption", root,
    "Blue: adopted as the reference. The score is the mean over the frames that have something to fill. Keys: A adopts, K or → keeps.");

  function choose(adopted) {
    const choices = get("choices");
    if (choices.length >= last) return; // the last frame's decision would serve no later frame
    model.set("choices", [...choices, adopted]);
    model.save_changes();
  }

  // references: as far as the film has been played
  function drawTrack({ cells, bars, score }, name, references, playing) {
    const adopted = new Set(references.filter((s) => s !== null));
    const now = references.length - 1;
    bars.forEach((bar, t) => {
      bar.className = adopted.has(t) ? "mss-reference-adopted" : t >= now && playing ? "mss-reference-open" : "";
      bar.classList.toggle("mss-reference-now", playing && t === now);
    });
    const frames = [...adopted].map((t) => t + 1).sort((a, b) => a - b);
    cells.setAttribute("aria-label", `${name} remembered ${frames.length ? `frame ${frames.join(", ")}` : "no frame"}.`);
    score.textContent = inDb(mean(qualitiesOf(references)));
  }

  function draw() {
    const choices = get("choices");
    const references = referencesOf(choices);
    const now = choices.length;
    const over = now === last;
    const kept = references[now];
    current.title.textContent = `Now: frame ${now + 1} of ${last + 1}`;
    current.image.src = urls[now];
    current.image.alt = `Frame ${now + 1}. ${notes[now]}`;
    current.note.textContent = notes[now];
    memory.title.textContent = kept === null ? "In memory: nothing" : `In memory: frame ${kept + 1}`;
    memory.image.style.visibility = kept === null ? "hidden" : "visible";
    if (kept !== null) memory.image.src = urls[kept];
    memory.image.alt = kept === null ? "" : `The reference, frame ${kept + 1}. ${notes[kept]}`;
    memory.note.textContent = kept === null ? "all that is white has to be invented" : notes[kept];

    drawTrack(mine, "You", references, !over);
    for (const other of others) {
      other.track.style.display = over ? "" : "none"; // no peeking
      drawTrack(other, other.rival.name, other.rival.references, false);
    }
    const filled = qualitiesOf(references)[now];
    const source = kept === null ? "without a reference" : `with frame ${kept + 1}`;
    const said = filled === null ? "Here is nothing to fill." : `Filled ${source}: ${inDb(filled)}.`;
    status.textContent = over
      ? `Your film: ${mine.score.textContent}. ${others.map(({ rival, score }) => `${rival.name}: ${score.textContent}`).join("; ")}.`
      : `${said} Will frame ${now + 1} serve the frames to come better than ${kept === null ? "nothing" : `frame ${kept + 1}`}?`;
    adopt.disabled = keep.disabled = over;
    again.disabled = !choices.length;
    if (over && root.contains(document.activeElement)) again.focus(); // the button pressed is disabled
  }

  root.addEventListener("keydown", (event) => {
    if (withModifier(event)) return;
    const key = event.key.toLowerCase();
    if (key === "a") choose(true);
    else if (key === "k" || event.key === "ArrowRight") choose(false);
    else return;
    consume(event);
  });
  return drawOnChange(model, ["choices"], draw);
}

export default { render };
