// The keys of the page, by what is shown.

import { Keys } from "./keys.js";

/** Return the keys of a page of `main.js`; `search` is its field of words. */
export function pageKeys(page, search) {
  const keys = new Keys();
  const inClip = () => page.clip.row >= 0;
  const inReview = () => inClip() && page.review !== null;
  const { clip } = page;
  keys.add("Everywhere", [
    { keys: ["?"], does: "These keys", run: () => keys.help() },
    { keys: ["/"], does: "Search", run: () => { search.focus(); search.select(); } },
    { keys: ["d"], does: "Light or dark", run: () => page.toggleTheme() },
    { keys: ["Escape"], typed: true, does: "Back", run: () => page.escape() },
  ]);
  keys.add("List", [
    { keys: ["ArrowLeft", "ArrowUp", "ArrowDown", "ArrowRight"], does: "Move among the clips" },
    { keys: ["Home", "End", "PageUp", "PageDown"], does: "First, last, a screen back or on" },
    { keys: ["Enter"], does: "Open the clip" },
    { keys: ["j"], does: "Next clip", run: () => page.list.grid.focus(page.focusedCard() + 1) },
    { keys: ["k"], does: "Previous clip", run: () => page.list.grid.focus(Math.max(0, page.focusedCard() - 1)) },
    { keys: ["e"], does: "Clips, or what was left out", when: () => page.site.rejected > 0, run: () => page.list.bar.setShelf(page.state.query.shelf === "out" ? "in" : "out") },
  ], { shown: () => !inClip(), others: (event) => page.list.grid.handleKey(event) });
  keys.add("Clip", [
    { keys: ["j"], does: "Next clip", run: () => page.step(1) },
    { keys: ["k"], does: "Previous clip", run: () => page.step(-1) },
    { keys: ["c"], does: "Compare with another clip or run", run: () => clip.compare() },
    { keys: ["i"], does: "Show or hide the details", run: () => clip.togglePanel() },
  ], { shown: inClip });
  keys.add("Review", [
    { keys: ["y"], does: "Keep", run: () => clip.review.decide("keep") },
    { keys: ["x"], does: "Reject", run: () => clip.review.decide("reject") },
    { keys: ["o"], does: "The front is where I look", run: () => clip.review.decide("orientation") },
    { keys: ["n"], does: "Write a note", run: () => clip.review.note.focus() },
    { keys: ["u"], does: "Undo the last decision", run: () => clip.review.undoLast() },
  ], { shown: inReview });
  const viewer = () => clip.pane.viewer;
  const shown = { // the viewer says itself which keys it has
    title: "Viewer", shown: () => inClip() && viewer() !== null,
    get entries() { return (viewer()?.keys ?? []).map(({ keys: names, does }) => ({ keys: names, does })); },
    others: (event) => viewer()?.handleKey?.(event) ?? false,
  };
  keys.groups.push(shown);
  return keys;
}
