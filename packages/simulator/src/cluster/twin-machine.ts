/**
 * Two state machines under one log: the ledger, whose answers are judged, and the production state of the control plane,
 * whose determinism is: equal digests at equal indexes, through snapshots and restarts, whatever the commands.
 */
import { EntryKind } from '@flotilla/raft';
import type { Entry, SnapshotMeta, StateMachine } from '@flotilla/raft';
import {
  checkState,
  ClusterStateMachine,
  commandLevel,
  decodeCommand,
  featureLevel,
} from '@flotilla/controlplane/state';
import type { ReadonlyState } from '@flotilla/controlplane/state';
import { CONTROL_TAG, isControlCommand } from './ledger.ts';
import type { Ledger } from './ledger.ts';

const HEADER_BYTES = 4;
/** Few, so that the table is full now and then. */
const PINS_MAX_COUNT = 64;

export function encodeControl(command: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from([CONTROL_TAG]), command]);
}

export class TwinMachine implements StateMachine {
  readonly ledger: Ledger;
  readonly #control: ClusterStateMachine;
  readonly #level: number;

  /** `level`: what the installed release speaks. */
  constructor(ledger: Ledger, level: number) {
    this.ledger = ledger;
    this.#level = level;
    this.#control = new ClusterStateMachine({ pinsMaxCount: PINS_MAX_COUNT, featureLevel: level });
  }

  /** State of the control plane. */
  get state(): ReadonlyState {
    return this.#control.state;
  }

  apply(entries: readonly Entry[]): readonly unknown[] {
    const results = this.ledger.apply(entries);
    const control = this.#control.apply(entries.map((entry) => forControl(entry, this.#level)));
    return results.map((result, at) => result ?? control[at]);
  }

  digest(): string {
    return `${this.ledger.digest()}/${this.#control.digest()}`;
  }

  capture(): { readonly sizeBytes: number; readonly digest: string; readonly chunks: AsyncIterable<Uint8Array> } {
    const ledger = this.ledger.capture();
    const control = this.#control.capture();
    return {
      sizeBytes: HEADER_BYTES + ledger.bytes.length + control.sizeBytes,
      digest: `${ledger.digest}/${control.digest}`,
      chunks: chained(ledger.bytes, control.chunks),
    };
  }

  async restore(meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const parts: Uint8Array[] = [];
    for await (const chunk of chunks) parts.push(chunk);
    const bytes = Buffer.concat(parts);
    const end = HEADER_BYTES + bytes.readUInt32BE(0);
    await this.#control.restore(meta, pieces(bytes.subarray(end)));
    this.ledger.restore(bytes.subarray(HEADER_BYTES, end));
  }

  /** Broken invariants of the control plane's state. */
  faults(): readonly string[] {
    return checkState(this.#control.state);
  }
}

/** What a release makes of a command that came after it. */
const UNKNOWN = Buffer.from('{"v":1,"type":"unknown"}');

/** The control plane sees every entry, for index and time, but only its own commands; an older release, only those that it knows. */
function forControl(entry: Entry, level: number): Entry {
  if (isControlCommand(entry)) {
    const data = entry.data.subarray(1);
    return { ...entry, data: level < featureLevel && isLater(data, level) ? UNKNOWN : data };
  }
  return entry.kind === EntryKind.normal ? { ...entry, kind: EntryKind.noop } : entry;
}

function isLater(data: Uint8Array, level: number): boolean {
  const decoded = decodeCommand(data);
  return decoded.ok && commandLevel(decoded.command.type) > level;
}

const PIECE_BYTES = 10_000;

async function* pieces(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    yield bytes.subarray(at, at + PIECE_BYTES);
    await Promise.resolve();
  }
}

async function* chained(first: Buffer, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(first.length, 0);
  yield header;
  yield* pieces(first);
  yield* rest;
}
