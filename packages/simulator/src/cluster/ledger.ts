/**
 * The state that clients are judged by: registers with versions, counters, and sessions that make retries harmless. Its digest
 * covers the whole history too: replicas agree only if they applied the same entries, stamps included, in the same order.
 */
import { crc32 } from 'node:zlib';
import { EntryKind } from '@flotilla/raft';
import type { Entry } from '@flotilla/raft';

/** `client` and `seq` name the command for exactly-once; client 0 has no session and must not repeat itself. */
export interface LedgerCommand {
  readonly client: number;
  readonly seq: number;
  readonly op: 'write' | 'compare-and-set' | 'add';
  readonly key: string;
  readonly value: number;
  readonly expected?: number;
  /** Ballast, so that logs and snapshots get large. */
  readonly pad?: string;
}

export type LedgerResult =
  | { readonly version: number }
  | { readonly mismatch: true }
  | { readonly value: number }
  /** The session has moved on: this is a late copy of an earlier command. */
  | { readonly stale: true };

export interface RegisterRow {
  readonly value: number;
  readonly version: number;
}

interface LedgerState {
  index: number;
  timeMs: number;
  /** Two running checksums over every entry applied. */
  chain: [number, number];
  registers: Map<string, RegisterRow>;
  counters: Map<string, number>;
  sessions: Map<number, { readonly seq: number; readonly result: LedgerResult }>;
  /** The last few pads: what makes a snapshot large. */
  ballast: Map<number, string>;
}

export interface LedgerListener {
  /** `effective`: false for copies that the session answered from memory. */
  onCommand(entry: Entry, command: LedgerCommand, effective: boolean): void;
  /** After each entry. */
  onApplied(entry: Entry, chain: string): void;
  onRestored(index: number, chain: string): void;
}

const UNWRITTEN: RegisterRow = { value: 0, version: 0 };

const BALLAST_COUNT = 20;

/** First byte of commands that are for the control plane's state; those of the ledger are JSON. */
export const CONTROL_TAG = 1;

export function isControlCommand(entry: Entry): boolean {
  return entry.kind === EntryKind.normal && entry.data[0] === CONTROL_TAG;
}

export function encodeLedger(command: LedgerCommand): Uint8Array {
  return Buffer.from(JSON.stringify(command));
}

function emptyState(): LedgerState {
  return {
    index: 0,
    timeMs: 0,
    chain: [0, 0x9e3779b9],
    registers: new Map(),
    counters: new Map(),
    sessions: new Map(),
    ballast: new Map(),
  };
}

export class Ledger {
  #state = emptyState();
  readonly #listener: LedgerListener;

  constructor(listener: LedgerListener) {
    this.#listener = listener;
  }

  apply(entries: readonly Entry[]): readonly unknown[] {
    return entries.map((entry) => this.#applyEntry(entry));
  }

  register(key: string): RegisterRow {
    return this.#state.registers.get(key) ?? UNWRITTEN;
  }

  counter(key: string): number {
    return this.#state.counters.get(key) ?? 0;
  }

  get index(): number {
    return this.#state.index;
  }

  /** Tells histories apart. */
  chain(): string {
    return this.#state.chain.map((part) => (part >>> 0).toString(16)).join('-');
  }

  digest(): string {
    return `${this.chain()}-${crc32(this.#serialise(false)).toString(16)}`;
  }

  capture(): { readonly bytes: Buffer; readonly digest: string } {
    return { bytes: this.#serialise(true), digest: this.digest() };
  }

  restore(bytes: Buffer): void {
    const raw = JSON.parse(bytes.toString('utf8')) as {
      readonly index: number;
      readonly timeMs: number;
      readonly chain: [number, number];
      readonly registers: [string, RegisterRow][];
      readonly counters: [string, number][];
      readonly sessions: [number, { seq: number; result: LedgerResult }][];
      readonly ballast: [number, string][];
    };
    this.#state = {
      ...raw,
      registers: new Map(raw.registers),
      counters: new Map(raw.counters),
      sessions: new Map(raw.sessions),
      ballast: new Map(raw.ballast),
    };
    this.#listener.onRestored(raw.index, this.chain());
  }

  #applyEntry(entry: Entry): LedgerResult | undefined {
    const state = this.#state;
    state.index = entry.index;
    state.timeMs = Math.max(state.timeMs, entry.stampMs);
    const head = Buffer.from(
      `${entry.index}/${entry.term}/${entry.kind}/${entry.stampMs}/${entry.origin}/${entry.seq}/`,
    );
    state.chain = [
      crc32(entry.data, crc32(head, state.chain[0])),
      Math.imul(crc32(entry.data, state.chain[1]) ^ entry.index, 0x01000193) >>> 0,
    ];
    let result: LedgerResult | undefined;
    if (entry.kind === EntryKind.normal && !isControlCommand(entry)) {
      const command = JSON.parse(Buffer.from(entry.data).toString('utf8')) as LedgerCommand;
      result = this.#run(entry, command);
    }
    this.#listener.onApplied(entry, this.chain());
    return result;
  }

  #run(entry: Entry, command: LedgerCommand): LedgerResult {
    const { sessions } = this.#state;
    const session = sessions.get(command.client);
    if (command.client !== 0 && session !== undefined && session.seq >= command.seq) {
      this.#listener.onCommand(entry, command, false);
      return session.seq === command.seq ? session.result : { stale: true };
    }
    const result = this.#effect(entry.index, command);
    if (command.client !== 0) sessions.set(command.client, { seq: command.seq, result });
    this.#listener.onCommand(entry, command, true);
    return result;
  }

  #effect(index: number, command: LedgerCommand): LedgerResult {
    const { registers, counters, ballast } = this.#state;
    const { op, key, value, pad } = command;
    if (pad !== undefined) ballast.set(index % BALLAST_COUNT, pad);
    if (op === 'add') {
      const sum = (counters.get(key) ?? 0) + value;
      counters.set(key, sum);
      return { value: sum };
    }
    if (op === 'compare-and-set' && (registers.get(key) ?? UNWRITTEN).version !== command.expected) {
      return { mismatch: true };
    }
    registers.set(key, { value, version: index });
    return { version: index };
  }

  #serialise(withBallast: boolean): Buffer {
    const { registers, counters, sessions, ballast, ...rest } = this.#state;
    const raw = {
      ...rest,
      registers: [...registers],
      counters: [...counters],
      sessions: [...sessions],
      ballast: withBallast ? [...ballast] : [],
    };
    return Buffer.from(JSON.stringify(raw));
  }
}
