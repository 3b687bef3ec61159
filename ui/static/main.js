// Starts when all the others are read.
function showState() {
  root.dataset.empty = String(!S.bitmap);
  const legend = find(".nb-legend");
  legend.hidden = !S.heat || !(S.view === "foreground" || S.view === "uncertainty");
  const [low, , high] = legend.children;
  [low.textContent, high.textContent] = S.view === "foreground" ? ["background", "nucleus"] : ["sure", "unsure"];
}
on("change", showState);
on("look", showState);
press("view", S.view); press("style", S.style); press("tool", S.tool);
// A picture from the clipboard goes where a dropped one goes.
document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files || [])], input = document.querySelector("#drop input[type=file]");
  if (!files.length || !input) return;
  const pasted = new DataTransfer();
  files.forEach((file) => pasted.items.add(file));
  input.files = pasted.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
});
window.nucleoscope = { state: S }; // for tests and the curious; nothing here leaves the browser
watch("value", () => take(props.value));
take(props.value);
