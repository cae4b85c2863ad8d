/** Words for people in fault messages: how a value is shown, and which known name somebody may have meant. */

const SHOWN_MAX_CHARS = 60;
/** Longer names are not compared: the distance costs the product of the lengths. */
const COMPARED_MAX_CHARS = 40;

/** A short picture of any value; never the whole of a large one. */
export function showValue(value: unknown): string {
  switch (typeof value) {
    case 'string': {
      const text = value.length > SHOWN_MAX_CHARS ? `${value.slice(0, SHOWN_MAX_CHARS)}…` : value;
      return JSON.stringify(text);
    }
    case 'object':
      return value === null ? 'null' : Array.isArray(value) ? 'a list' : 'an object';
    case 'undefined':
      return 'not given';
    case 'number':
    case 'boolean':
    case 'bigint':
      return String(value);
    case 'symbol':
    case 'function':
      return `a ${typeof value}`;
  }
}

/** The known name nearest to `name`: at most two edits away and more alike than not. Null where there is none. */
export function closestName(name: string, known: readonly string[]): string | null {
  if (name.length > COMPARED_MAX_CHARS) return null;
  const wanted = name.toLowerCase();
  let best: string | null = null;
  let bestDistance = Math.min(2, Math.floor(name.length / 2)) + 1;
  for (const candidate of known) {
    if (candidate.length > COMPARED_MAX_CHARS || Math.abs(candidate.length - name.length) >= bestDistance) continue;
    const distance = editDistance(wanted, candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min((previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, replaced));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
