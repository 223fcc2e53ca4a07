// What decisions come to, clip by clip. Pure.

/** Return the decisions of each key in the order given: a Map from key to list. */
export function byKey(decisions) {
  const keys = new Map();
  for (const decision of decisions) {
    const list = keys.get(decision.key);
    if (list) list.push(decision);
    else keys.set(decision.key, [decision]);
  }
  return keys;
}

/**
 * Return what the decisions of one clip come to:
 * `{verdict, orientation, layout, notes, standing, newest, conflict}`.
 *
 * The last standing decision of a kind counts; keep and reject are one kind. `standing` are those neither undone
 * nor an undo themselves; `newest` is the id of the last one of all, null if none. `conflict` holds the
 * last keep or reject of each person where people disagree, else null.
 */
export function summary(decisions = []) {
  const standing = decisions.filter(({ undone, action }) => !undone && action !== "undo");
  const last = (...actions) => standing.findLast(({ action }) => actions.includes(action)) ?? null;
  const people = new Map();
  for (const decision of standing) {
    if (decision.action === "keep" || decision.action === "reject") people.set(decision.who, decision);
  }
  const opinions = [...people.values()];
  const disagree = new Set(opinions.map(({ action }) => action)).size > 1;
  return {
    verdict: last("keep", "reject"),
    orientation: last("orientation"),
    layout: last("layout"),
    notes: standing.filter(({ action }) => action === "note"),
    standing,
    newest: decisions.at(-1)?.id ?? null,
    conflict: disagree ? opinions : null,
  };
}

/** Names of the column `review` of the list. */
export const REVIEWED = ["undecided", "kept", "rejected", "disagreed"];

/** Return the value of that column for the decisions of one clip. */
export function reviewed(decisions = []) {
  const { verdict, conflict } = summary(decisions);
  if (conflict) return "disagreed";
  if (!verdict) return "undecided";
  return verdict.action === "keep" ? "kept" : "rejected";
}
