/**
 * Which membership is in force at which index: a snapshot carries the one at its own index, not the newest that was seen.
 */
import type { ConfState, Index } from '../core/types.ts';

export class Confs {
  /** Ascending by index; the first is at or before everything that can still be asked for. */
  #known: { readonly index: Index; readonly conf: ConfState }[];

  constructor(index: Index, conf: ConfState) {
    this.#known = [{ index, conf }];
  }

  /** From `index` on this holds; whatever was noted for later indexes was overwritten. */
  set(index: Index, conf: ConfState): void {
    while (this.#known.length > 0 && (this.#known.at(-1)?.index ?? -1) >= index) this.#known.pop();
    this.#known.push({ index, conf });
  }

  /** The one in force at `index`; earlier ones are forgotten. */
  at(index: Index): ConfState {
    let found = 0;
    for (let i = 0; i < this.#known.length; i++) if ((this.#known[i]?.index ?? Infinity) <= index) found = i;
    this.#known.splice(0, found);
    const conf = this.#known[0]?.conf;
    if (conf === undefined) throw new Error(`no membership known at index ${index}`);
    return conf;
  }
}
