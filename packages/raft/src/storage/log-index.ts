/**
 * Where entries stand: first index, last index and last term of every block, in memory, ascending.
 */
import type { Index, Term } from '../core/types.ts';

export interface BlockSpan {
  readonly first: Index;
  readonly last: Index;
  readonly lastTerm: Term;
}

export class LogIndex {
  /** Invariant: each block begins one after the end of the one before. */
  #blocks: BlockSpan[] = [];

  get last(): BlockSpan | undefined {
    return this.#blocks.at(-1);
  }

  push(block: BlockSpan): void {
    const last = this.last;
    if (last && block.first !== last.last + 1) throw new Error(`block ${block.first} does not follow ${last.last}`);
    this.#blocks.push(block);
  }

  /** Takes off every block that reaches `index` or beyond; the first of them may begin before it. */
  popFrom(index: Index): BlockSpan[] {
    let keep = this.#blocks.length;
    while (keep > 0 && (this.#blocks[keep - 1] as BlockSpan).last >= index) keep--;
    return this.#blocks.splice(keep);
  }

  /** At most `maxCount` of the blocks that end at `index` or before, from the first one on. */
  upTo(index: Index, maxCount: number): readonly BlockSpan[] {
    let count = 0;
    while (count < maxCount && count < this.#blocks.length && (this.#blocks[count] as BlockSpan).last <= index) count++;
    return this.#blocks.slice(0, count);
  }

  /** Takes off the blocks that end at `index` or before. */
  shiftTo(index: Index): void {
    const keep = this.#blocks.findIndex((block) => block.last > index);
    this.#blocks.splice(0, keep < 0 ? this.#blocks.length : keep);
  }

  /** The block that holds this index. */
  find(index: Index): BlockSpan | undefined {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const block = this.#blocks[middle] as BlockSpan;
      if (index < block.first) high = middle - 1;
      else if (index > block.last) low = middle + 1;
      else return block;
    }
    return undefined;
  }
}
