/**
 * Membership arithmetic: what a change makes of a configuration, and how it is written into an entry. When a change takes
 * effect is told in membership.ts.
 *
 * A change that moves at most one voter is made in one step (§4.1 of the thesis): old and new majorities overlap anyway.
 * Any other goes through a joint configuration, in which both majorities must agree (§6 of the paper).
 */
import { isJoint } from './quorum.ts';
import type { ConfChange, ConfState, ConfStep, ReplicaId } from './types.ts';

/** The configuration after the change; null where the change makes no sense there. */
export function applyChange(conf: ConfState, change: ConfChange): ConfState | null {
  if (change.steps.length === 0) return isJoint(conf) ? leaveJoint(conf) : null;
  if (isJoint(conf)) return null;
  const ids = change.steps.map((step) => step.id);
  if (new Set(ids).size !== ids.length || ids.includes('')) return null;
  const simple = takeSteps({ ...conf, votersOutgoing: [] }, change.steps);
  if (simple.voters.length === 0 || addsNamesake(simple, change.steps)) return null;
  if (voterDistance(conf.voters, simple.voters) <= 1) return simple;
  return takeSteps({ ...conf, votersOutgoing: conf.voters, autoLeave: true }, change.steps);
}

/** The part of a replica id that people chose. */
export function replicaName(replica: ReplicaId): string {
  const at = replica.indexOf('#');
  return at < 0 ? replica : replica.slice(0, at);
}

/**
 * A name stands for one disk at a time: a second one must take the place of the first, in the same change or a later one.
 * Checked here because only the leader, which takes one change at a time, sees two that are asked for at once.
 */
function addsNamesake({ voters, learners }: ConfState, steps: readonly ConfStep[]): boolean {
  const members = [...voters, ...learners];
  const isHeldByAnother = (id: ReplicaId) =>
    members.some((other) => other !== id && replicaName(other) === replicaName(id));
  return steps.some(({ op, id }) => op !== 'remove' && isHeldByAnother(id));
}

function voterDistance(a: readonly ReplicaId[], b: readonly ReplicaId[]): number {
  return a.filter((id) => !b.includes(id)).length + b.filter((id) => !a.includes(id)).length;
}

function takeSteps(conf: ConfState, steps: readonly ConfStep[]): ConfState {
  const voters = new Set(conf.voters);
  const learners = new Set(conf.learners);
  const learnersNext = new Set(conf.learnersNext);
  for (const { op, id } of steps) {
    voters.delete(id);
    learners.delete(id);
    learnersNext.delete(id);
    if (op === 'add-voter') voters.add(id);
    // A voter of the outgoing half still votes; it becomes a learner when that half goes.
    else if (op === 'add-learner') (conf.votersOutgoing.includes(id) ? learnersNext : learners).add(id);
  }
  return {
    voters: [...voters].sort(),
    votersOutgoing: conf.votersOutgoing,
    learners: [...learners].sort(),
    learnersNext: [...learnersNext].sort(),
    autoLeave: conf.autoLeave,
  };
}

function leaveJoint(conf: ConfState): ConfState {
  return {
    voters: conf.voters,
    votersOutgoing: [],
    learners: [...new Set([...conf.learners, ...conf.learnersNext])].sort(),
    learnersNext: [],
    autoLeave: false,
  };
}

/** What the entry of a change says: the change, and the whole configuration that it leads to. */
export interface ConfEntry {
  readonly change: ConfChange;
  /**
   * Absolute, not a difference: a replica that joins with an empty log knows nothing of the configuration before, and
   * must come to the same one as everybody else.
   */
  readonly conf: ConfState;
}

const VERSION = 1;
const OPS: readonly ConfStep['op'][] = ['add-voter', 'add-learner', 'remove'];

class Writer {
  readonly #encoder = new TextEncoder();
  readonly #bytes: number[] = [];

  u8(value: number): this {
    this.#bytes.push(value);
    return this;
  }

  u16(value: number): this {
    return this.u8(value >> 8).u8(value & 0xff);
  }

  text(value: string): this {
    const bytes = this.#encoder.encode(value);
    this.u16(bytes.length);
    for (const byte of bytes) this.u8(byte);
    return this;
  }

  list(ids: readonly ReplicaId[]): this {
    this.u16(ids.length);
    for (const id of ids) this.text(id);
    return this;
  }

  finish(tail: Uint8Array): Uint8Array {
    const all = new Uint8Array(this.#bytes.length + tail.length);
    all.set(this.#bytes);
    all.set(tail, this.#bytes.length);
    return all;
  }
}

/** Throws RangeError past the end. */
class Reader {
  readonly #decoder = new TextDecoder();
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  u8(): number {
    this.#at += 1;
    return this.#view.getUint8(this.#at - 1);
  }

  u16(): number {
    this.#at += 2;
    return this.#view.getUint16(this.#at - 2);
  }

  text(): string {
    const end = this.u16() + this.#at;
    if (end > this.#bytes.length) throw new RangeError('text ends behind the entry');
    const text = this.#decoder.decode(this.#bytes.subarray(this.#at, end));
    this.#at = end;
    return text;
  }

  list(): ReplicaId[] {
    return Array.from({ length: this.u16() }, () => this.text());
  }

  tail(): Uint8Array {
    return this.#bytes.slice(this.#at);
  }
}

/**
 * Layout, big-endian: version u8; steps: count u16, each op u8 and id; then voters, outgoing, learners, learners-next as
 * lists of ids (count u16 each) and autoLeave u8; the rest is the context. An id is its length u16 and UTF-8.
 */
export function encodeConfEntry({ change, conf }: ConfEntry): Uint8Array {
  const writer = new Writer().u8(VERSION).u16(change.steps.length);
  for (const { op, id } of change.steps) writer.u8(OPS.indexOf(op)).text(id);
  writer.list(conf.voters).list(conf.votersOutgoing).list(conf.learners).list(conf.learnersNext);
  return writer.u8(conf.autoLeave ? 1 : 0).finish(change.context);
}

/** Null where the bytes are no change that this version knows. */
export function decodeConfEntry(bytes: Uint8Array): ConfEntry | null {
  try {
    const reader = new Reader(bytes);
    if (reader.u8() !== VERSION) return null;
    const steps = Array.from({ length: reader.u16() }, (): ConfStep => {
      const op = OPS[reader.u8()];
      if (op === undefined) throw new RangeError('unknown step');
      return { op, id: reader.text() };
    });
    const conf: ConfState = {
      voters: reader.list(),
      votersOutgoing: reader.list(),
      learners: reader.list(),
      learnersNext: reader.list(),
      autoLeave: reader.u8() === 1,
    };
    return { change: { steps, context: reader.tail() }, conf };
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}
