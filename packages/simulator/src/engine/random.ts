/**
 * The only randomness of a simulation: xoshiro128** seeded from a number and a label. Each subsystem forks its own stream,
 * so that one more draw in one of them does not change what all the others do.
 */
import type { Random } from '@flotilla/raft';

const UINT32 = 2 ** 32;

export class SimRandom implements Random {
  readonly #seed: string;
  readonly #state: Uint32Array;

  constructor(seed: string) {
    this.#seed = seed;
    this.#state = expand(seed);
  }

  /** An independent stream. The same label gives the same stream, whatever was drawn here before. */
  fork(label: string): SimRandom {
    return new SimRandom(`${this.#seed}/${label}`);
  }

  uint32(): number {
    const s = this.#state;
    const [a = 0, b = 0, c = 0, d = 0] = s;
    const product = Math.imul(b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const c2 = c ^ a;
    const d2 = d ^ b;
    s[1] = b ^ c2;
    s[0] = a ^ d2;
    s[2] = c2 ^ (b << 9);
    s[3] = (d2 << 11) | (d2 >>> 21);
    return result;
  }

  /** Uniform in [0, 1). */
  fraction(): number {
    return this.uint32() / UINT32;
  }

  integer(bound: number): number {
    if (bound <= UINT32) return Math.floor(this.fraction() * bound);
    return (this.uint32() * 2 ** 21 + (this.uint32() >>> 11)) % bound;
  }

  between(low: number, high: number): number {
    return low + this.fraction() * (high - low);
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** Exponentially distributed, by the ratio of whole numbers: no transcendental function whose last bit may differ. */
  exponential(mean: number): number {
    // Sum of halvings: a geometric number of halves plus a uniform rest follows the curve closely and exactly repeatably.
    let halves = 0;
    while (halves < 30 && this.chance(0.5)) halves += 1;
    return mean * 0.693147 * (halves + this.fraction());
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new Error('nothing to pick from');
    return items[this.integer(items.length)] as T;
  }

  shuffle<T>(items: readonly T[]): T[] {
    const all = [...items];
    for (let at = all.length - 1; at > 0; at -= 1) {
      const other = this.integer(at + 1);
      [all[at], all[other]] = [all[other] as T, all[at] as T];
    }
    return all;
  }

  bytes(lengthBytes: number): Uint8Array {
    return Uint8Array.from({ length: lengthBytes }, () => this.integer(256));
  }
}

/** Four words from a text: FNV-1a, then splitmix32. */
function expand(seed: string): Uint32Array {
  let x = 0x811c9dc5;
  for (let at = 0; at < seed.length; at += 1) x = Math.imul(x ^ seed.charCodeAt(at), 0x01000193);
  const state = new Uint32Array(4);
  for (let at = 0; at < state.length; at += 1) {
    x = (x + 0x9e3779b9) | 0;
    let z = x ^ (x >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z ^= z >>> 15;
    z = Math.imul(z, 0x735a2d97);
    state[at] = z ^ (z >>> 15);
  }
  // The all-zero state is the one from which the generator never leaves.
  state[3] = (state[3] ?? 0) | 1;
  return state;
}
