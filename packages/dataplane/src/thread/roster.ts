/**
 * Who is there, among many that come and go: an array in which each knows its place.
 *
 * Not a Set: where many come and go a Set makes a new table again and again, and each former table refers to the next one and to
 * those who were there then. As soon as the garbage collector counts one of them among the old, whatever came later survives
 * until the next full collection, and is copied on the way.
 */

/** What is kept in an array of its kind. */
export interface Placed {
  /** Where it is; -1: nowhere. */
  position: number;
}

export class Roster<T extends Placed> {
  readonly #present: T[] = [];

  get count(): number {
    return this.#present.length;
  }

  add(one: T): void {
    one.position = this.#present.length;
    this.#present.push(one);
  }

  /** False: it was not there. */
  remove(one: T): boolean {
    const { position } = one;
    if (this.#present[position] !== one) return false;
    one.position = -1;
    const last = this.#present.pop();
    if (last === undefined || last === one) return true;
    this.#present[position] = last;
    last.position = position;
    return true;
  }

  /** Those who are there now, in no order, however many leave while they are gone through. */
  all(): T[] {
    return [...this.#present];
  }
}
