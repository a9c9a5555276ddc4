// Which is the photograph? Pairs of pictures, one choice each, the score against chance at the end.
// State in the model: rounds [{left, right, truth: 0 or 1, note}], choices [0 or 1, ...].

// how likely it is to find `hits` or more of `tries` by tossing a coin
function chanceOf(hits, tries) {
  let total = 0;
  for (let k = hits; k <= tries; k++) {
    let combinations = 1;
    for (let i = 0; i < k; i++) combinations = (combinations * (tries - i)) / (i + 1);
    total += combinations;
  }
  return total / 2 ** tries;
}

function render({ model, el }) {
  const get = (name) => model.get(name);
  const rounds = get("rounds");

  const root = makeFigure("game", el, get("alt"));
  root.tabIndex = -1;
  const title = make("div", "mss-title", root);
  const panels = make("div", "mss-panels", root);
  const sides = ["left", "right"].map((side, number) => {
    const button = makeButton(panels, undefined, () => choose(number));
    button.className = "mss-game-choice";
    const image = make("img", null, button);
    image.style.width = `${get("width")}px`;
    image.draggable = false;
    return { side, button, image, label: make("span", "mss-game-label", button) };
  });
  const status = makeStatus(root);
  const next = makeButton(make("div", "mss-controls", root), "Next pair", () => {
    if (shown === rounds.length - 1) {
      model.set("choices", []);
      model.save_changes();
      shown = 0;
    } else shown += 1;
    draw();
    sides[0].button.focus();
  });
  make("figcaption", "mss-caption", root, "Click the photograph, or press the left or right arrow key. Enter goes on.");

  let shown = Math.min(get("choices").length, rounds.length - 1);

  function choose(number) {
    const choices = get("choices");
    if (choices.length !== shown) return; // chosen already
    model.set("choices", [...choices, number]);
    model.save_changes();
    draw();
    next.focus();
  }

  function draw() {
    const round = rounds[shown];
    const choices = get("choices");
    const done = choices.length > shown;
    title.textContent = `Pair ${shown + 1} of ${rounds.length}: which is the photograph?`;
    for (const [number, { side, button, image, label }] of sides.entries()) {
      if (image.src !== round[side]) image.src = round[side];
      image.alt = `The picture on the ${side}.`;
      const real = round.truth === number;
      label.textContent = done ? (real ? "the photograph" : round.note) : `the ${side} one`;
      label.className = `mss-game-label${done ? ` mss-mark mss-mark-${real ? "original" : "partly"}` : ""}`;
      button.classList.toggle("mss-game-chosen", done && choices[shown] === number);
      button.setAttribute("aria-disabled", done);
    }
    const hits = choices.filter((c, i) => c === rounds[i].truth).length;
    const n = choices.length;
    const verdict = done ? (choices[shown] === round.truth ? "Right. " : "No: the other one. ") : "";
    const score = n ? `${hits} of ${n} found; tossing a coin finds ${n / 2} on average.` : "Choose one.";
    const chance = n === rounds.length && hits ? ` ${hits} or more of ${n} happen by chance in ${Math.round(100 * chanceOf(hits, n))} of 100 games.` : "";
    status.textContent = verdict + score + chance;
    next.disabled = !done;
    next.textContent = shown === rounds.length - 1 ? "Play again" : "Next pair";
  }

  root.addEventListener("keydown", (event) => {
    if (withModifier(event)) return;
    if (event.key === "ArrowLeft") choose(0);
    else if (event.key === "ArrowRight") choose(1);
    else return;
    consume(event);
  });
  return drawOnChange(model, ["choices"], draw);
}

export default { render };
