// A button: the kernel is asked for the file, and the browser saves it. State: label, name.

function render({ model, el }) {
  const root = makeFigure("download", el, model.get("label"));
  const button = makeButton(root, model.get("label"), () => {
    button.disabled = true;
    model.send({ kind: "save" });
  });
  const save = (content, buffers) => {
    button.disabled = false;
    const link = make("a");
    link.href = URL.createObjectURL(new Blob([buffers[0]]));
    link.download = model.get("name");
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  };
  model.on("msg:custom", save);
  return () => model.off("msg:custom", save);
}

export default { render };
