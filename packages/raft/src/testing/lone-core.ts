/**
 * One core under a microscope: a test plays its disk, its clock and all its peers, and looks at every effect. For tests
 * that check a single sentence; whole stories are told with scenario scripts.
 */
import type { CoreConfig } from '../core/config.ts';
import { createCore } from '../core/raft.ts';
import type { Effect } from '../core/effects.ts';
import type { Message } from '../core/messages.ts';
import type { RaftCore } from '../core/port.ts';
import { EMPTY_CONF, EntryKind, type ConfState, type Entry, type HardState, type Term } from '../core/types.ts';

export interface LoneOptions {
  readonly voters?: readonly string[];
  readonly learners?: readonly string[];
  /** Terms of the entries in the log, from index 1. */
  readonly terms?: readonly Term[];
  readonly hard?: Partial<HardState>;
  readonly config?: Partial<CoreConfig>;
  readonly seed?: number;
  readonly mayVote?: boolean;
}

type Typed<U extends { readonly type: string }, T extends U['type']> = Extract<U, { readonly type: T }>;

export function entryOf(index: number, term: Term, data: Uint8Array = new Uint8Array(0)): Entry {
  return { index, term, kind: EntryKind.normal, stampMs: 0, origin: 'x', seq: index, data };
}

export function appendOf(term: Term, prev: readonly [number, Term], terms: readonly Term[], commit = 0): Message {
  const entries = terms.map((each, at) => entryOf(prev[0] + 1 + at, each));
  return { type: 'append', term, prevIndex: prev[0], prevTerm: prev[1], entries, commit };
}

export function ackOf(term: Term, index: number): Message {
  const none = { hintIndex: 0, hintTerm: 0, digestIndex: 0, digest: '' };
  return { type: 'append-response', term, rejected: false, index, ...none };
}

export function voteOf(
  term: Term,
  last: readonly [number, Term],
  flags: { pre?: boolean; transfer?: boolean } = {},
): Message {
  const { pre = false, transfer = false } = flags;
  return { type: 'vote', term, pre, lastIndex: last[0], lastTerm: last[1], transfer };
}

/** The replica is always `a`. */
export class LoneCore {
  readonly core: RaftCore;
  nowMs = 0;
  /** Effects since the last look, those of finished writes included. */
  seen: Effect[] = [];
  #wakeAtMs = 0;
  #writes: Typed<Effect, 'persist'>[] = [];

  constructor({ voters = ['a', 'b', 'c'], learners = [], terms = [], ...rest }: LoneOptions = {}) {
    const conf: ConfState = { ...EMPTY_CONF, voters, learners };
    const hard = { term: terms.at(-1) ?? 0, vote: null, commit: 0, ...rest.hard };
    const entries = terms.map((term, at) => entryOf(at + 1, term));
    this.core = createCore({
      self: 'a',
      config: rest.config ?? {},
      seed: rest.seed ?? 1,
      recovered: { hard, snapshot: null, entries, firstIndex: 1, conf },
      mayVote: rest.mayVote ?? true,
      deepChecks: true,
      nowMs: 0,
      wallMs: 0,
    });
    this.tick(0);
  }

  #take(effects: readonly Effect[]): void {
    for (const effect of effects) {
      this.seen.push(effect);
      if (effect.type === 'persist') this.#writes.push(effect);
      if (effect.type === 'wake-at') this.#wakeAtMs = effect.atMs;
      if (effect.type === 'halt') throw new Error(effect.reason);
    }
  }

  step(event: Parameters<RaftCore['step']>[0]): this {
    this.#take(this.core.step(event));
    return this;
  }

  tick(passMs: number): this {
    this.nowMs += passMs;
    return this.step({ type: 'time', nowMs: this.nowMs, wallMs: this.nowMs });
  }

  /** Waits for its own timer, as often as it takes to make it do something. */
  timeout(): this {
    this.nowMs = Math.max(this.nowMs, this.#wakeAtMs);
    const { role, term } = this.core.status();
    for (let tries = 0; tries < 3; tries += 1) {
      this.tick(Math.max(0, this.#wakeAtMs - this.nowMs));
      const now = this.core.status();
      if (now.role !== role || now.term !== term) break;
    }
    return this;
  }

  receive(from: string, message: Message): this {
    return this.step({ type: 'receive', nowMs: this.nowMs, wallMs: this.nowMs, from, message });
  }

  propose(count: number, bytes = 0): this {
    const proposals = Array.from({ length: count }, (_, at) => ({ seq: at + 1, data: new Uint8Array(bytes) }));
    return this.step({ type: 'propose', nowMs: this.nowMs, wallMs: this.nowMs, proposals });
  }

  /** All writes under way become durable. */
  write(): this {
    for (const effect of this.#writes.splice(0)) {
      this.#take(effect.release);
      this.step({ type: 'persisted', nowMs: this.nowMs, io: effect.io });
    }
    return this;
  }

  /** Elected by b, with its no-op appended and written. */
  elect(): this {
    this.timeout();
    const term = this.core.status().term + 1;
    this.receive('b', { type: 'vote-response', term, pre: true, granted: true }).write();
    return this.receive('b', { type: 'vote-response', term, pre: false, granted: true }).write();
  }

  /** Forgets what was seen so far. */
  look(): this {
    this.seen = [];
    return this;
  }

  effects<T extends Effect['type']>(type: T): Typed<Effect, T>[] {
    return this.seen.filter((effect): effect is Typed<Effect, T> => effect.type === type);
  }

  /** Messages that have left, of one type. */
  sent<T extends Message['type']>(type: T): { readonly to: string; readonly message: Typed<Message, T> }[] {
    return this.effects('send').flatMap(({ to, message }) =>
      message.type === type ? [{ to, message: message as Typed<Message, T> }] : [],
    );
  }
}
