// Scores of runs, which the server computes while the page is open.

const PAUSE_MS = 3000;

/**
 * Ask for new scores until there are no more. `get(address)` fetches JSON; `changed(progress, rows)` is called
 * with `{done, total, complete}` and the number of values that were set in the table's columns.
 */
export async function followScores({ table, get, changed, pause_ms = PAUSE_MS, isHidden = () => document.hidden }) {
  for (let next = 0; ;) {
    const answer = isHidden() ? null : await get(`api/scores.json?after=${next}`).catch(() => null);
    if (answer) {
      const isMore = answer.next > next;
      next = answer.next;
      changed(answer, takeScores(table, answer.scores));
      if (answer.complete) return;
      if (isMore && next < answer.done) continue; // there are more than one answer holds
    }
    await new Promise((resolve) => setTimeout(resolve, pause_ms));
  }
}

/** Set the values of `{column: [rows, values]}`; return how many. */
export function takeScores(table, scores) {
  let number = 0;
  for (const [name, [rows, values]] of Object.entries(scores)) {
    const column = table.byName.get(name);
    if (!column) continue;
    rows.forEach((row, i) => { if (row < table.length) column.set(row, values[i]); });
    number += rows.length;
  }
  return number;
}
