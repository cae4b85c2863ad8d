/**
 * The open connections of a listener, each of which knows its place in an array.
 *
 * Not a Set: under a stream of connections a Set makes a new table again and again, and each former table refers to the next one
 * and to what was open then. As soon as the garbage collector counts one of them among the old, everything that was opened
 * later survives until the next full collection, and is copied on the way.
 */

/** What is kept in an array of its kind. */
export interface Placed {
  /** Where it is; -1: nowhere. */
  position: number;
}

export class OpenConnections<T extends Placed> {
  readonly #open: T[] = [];

  get count(): number {
    return this.#open.length;
  }

  add(one: T): void {
    one.position = this.#open.length;
    this.#open.push(one);
  }

  /** Does nothing for what is not there. */
  remove(one: T): void {
    const { position } = one;
    if (position < 0) return;
    one.position = -1;
    const last = this.#open.pop();
    if (last === undefined || last === one) return;
    this.#open[position] = last;
    last.position = position;
  }

  /** Those that are open now, however many close while they are gone through. */
  all(): readonly T[] {
    return [...this.#open];
  }
}
