/**
 * Where entries stand: first index, last index and last term of every block, in memory, ascending. Kept in two arrays of
 * numbers: where each entry was written alone there are as many blocks, and as many objects would hold the loop whenever
 * garbage is collected.
 */
import type { Index, Term } from '../core/types.ts';

export interface BlockSpan {
  readonly first: Index;
  readonly last: Index;
  readonly lastTerm: Term;
}

export class LogIndex {
  /** First index of each block. Each begins one after the end of the one before. */
  #firsts: Index[] = [];
  /** Term of the last entry of each. */
  #lastTerms: Term[] = [];
  /** Last index of the last block. */
  #end: Index = 0;

  get last(): BlockSpan | undefined {
    return this.#firsts.length === 0 ? undefined : this.#at(this.#firsts.length - 1);
  }

  push({ first, last, lastTerm }: BlockSpan): void {
    if (this.#firsts.length > 0 && first !== this.#end + 1) {
      throw new Error(`block ${first} does not follow ${this.#end}`);
    }
    this.#firsts.push(first);
    this.#lastTerms.push(lastTerm);
    this.#end = last;
  }

  /** Takes off every block that reaches `index` or beyond; the first of them may begin before it. */
  popFrom(index: Index): BlockSpan[] {
    let keep = this.#firsts.length;
    while (keep > 0 && this.#lastOf(keep - 1) >= index) keep--;
    const popped = this.#spans(keep, this.#firsts.length);
    this.#end = (popped[0]?.first ?? this.#end + 1) - 1;
    this.#firsts.length = keep;
    this.#lastTerms.length = keep;
    return popped;
  }

  /** At most `maxCount` of the blocks that end at `index` or before, from the first one on. */
  upTo(index: Index, maxCount: number): readonly BlockSpan[] {
    let count = 0;
    while (count < maxCount && count < this.#firsts.length && this.#lastOf(count) <= index) count++;
    return this.#spans(0, count);
  }

  /** Takes off the blocks that end at `index` or before. */
  shiftTo(index: Index): void {
    let drop = 0;
    while (drop < this.#firsts.length && this.#lastOf(drop) <= index) drop++;
    this.#firsts.splice(0, drop);
    this.#lastTerms.splice(0, drop);
  }

  /** The block that holds this index. */
  find(index: Index): BlockSpan | undefined {
    let low = 0;
    let high = this.#firsts.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (index < (this.#firsts[middle] as Index)) high = middle - 1;
      else if (index > this.#lastOf(middle)) low = middle + 1;
      else return this.#at(middle);
    }
    return undefined;
  }

  #lastOf(number: number): Index {
    return (this.#firsts[number + 1] ?? this.#end + 1) - 1;
  }

  #at(number: number): BlockSpan {
    const lastTerm = this.#lastTerms[number] as Term;
    return { first: this.#firsts[number] as Index, last: this.#lastOf(number), lastTerm };
  }

  #spans(from: number, to: number): BlockSpan[] {
    return Array.from({ length: to - from }, (_, at) => this.#at(from + at));
  }
}
