/**
 * The open streams of a connection by their ids, which only rise: an array in their order.
 *
 * Not a Map, for the reason that `thread/roster.ts` gives; and there are seldom more than a hundred.
 */

interface Numbered {
  readonly id: number;
}

export class OpenStreams<T extends Numbered> {
  #open: T[] = [];

  get size(): number {
    return this.#open.length;
  }

  /** Its id is above all before. */
  add(stream: T): void {
    this.#open.push(stream);
  }

  get(id: number): T | undefined {
    const stream = this.#open[this.#placeOf(id)];
    return stream?.id === id ? stream : undefined;
  }

  /** False: it was not there. */
  remove(stream: T): boolean {
    const place = this.#placeOf(stream.id);
    if (this.#open[place] !== stream) return false;
    this.#open.splice(place, 1);
    return true;
  }

  /** Those that are open now, however many close while they are gone through. */
  all(): T[] {
    return [...this.#open];
  }

  clear(): void {
    this.#open = [];
  }

  /** Where the first stream is whose id is not below. */
  #placeOf(id: number): number {
    let from = 0;
    let to = this.#open.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.#open[middle] as T).id < id) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
