/** A log for tests of the state machine: appends commands, moves log time, applies, and keeps the entries for replays. */
import type { Entry } from '@flotilla/raft';
import { featureLevel } from '../../limits.ts';
import { checkState } from '../check-state.ts';
import { encodeCommand } from '../codec.ts';
import type { Command } from '../commands.ts';
import { type Applied, ClusterStateMachine } from '../../state-machine.ts';
import type { CommandResult } from '../result.ts';
import type { ReadonlyState } from '../state.ts';

type WithoutVersion<T> = T extends unknown ? Omit<T, 'v'> : never;
export type TestCommand = WithoutVersion<Command>;

/** Few, so that a table is full now and then, and takes little memory. */
export const TEST_PINS_MAX_COUNT = 24;

const START_MS = 1_000_000;
/** Worlds of so many backends have their invariants checked after every entry. */
const CHECKED_MAX_COUNT = 50;

export class TestLog {
  readonly machine = new ClusterStateMachine({ pinsMaxCount: TEST_PINS_MAX_COUNT });
  readonly entries: Entry[] = [];
  readonly applied: Applied[] = [];
  #stampMs = START_MS;

  constructor() {
    this.machine.onApplied((applied) => this.applied.push(applied));
  }

  get state(): ReadonlyState {
    return this.machine.state;
  }

  get nowMs(): number {
    return this.#stampMs;
  }

  /** Log time goes on: one tick per second, as the leader proposes them. */
  wait(ms: number): void {
    for (let left = ms; left > 0; left -= 1_000) {
      this.#stampMs += Math.min(left, 1_000);
      this.run({ type: 'tick' });
    }
  }

  /** Log time goes on unnoticed until the next command. */
  pass(ms: number): void {
    this.#stampMs += ms;
  }

  /** Log time leaps; one tick then. */
  leap(ms: number): void {
    this.#stampMs += ms;
    this.run({ type: 'tick' });
  }

  run(command: TestCommand): CommandResult {
    return this.append(encodeCommand({ v: 1, ...command } as Command));
  }

  /** Any bytes, or an entry without a command. */
  append(data: Uint8Array, kind: Entry['kind'] = 0): CommandResult {
    const index = (this.entries.at(-1)?.index ?? 0) + 1;
    const entry: Entry = { index, term: 1, kind, stampMs: this.#stampMs, origin: 'n1#test', seq: index, data };
    this.entries.push(entry);
    const result = this.machine.apply([entry])[0];
    if (this.state.backends.size <= CHECKED_MAX_COUNT) {
      const faults = checkState(this.state);
      if (faults.length > 0) throw new Error(`entry ${index}: ${faults.join('; ')}`);
    }
    return result ?? { ok: true, index, revision: this.state.meta.revision, changed: false };
  }

  /** Announces nodes of this version and marks them ready; all its features are in force then. */
  join(...ids: string[]): void {
    for (const id of ids) {
      this.announce(id, featureLevel);
      this.run({ type: 'member.status', id, ready: true, reasons: [] });
    }
    this.run({ type: 'features.raise', level: featureLevel });
  }

  announce(id: string, level: number): CommandResult {
    const replica = `${id}#1`;
    const addresses = { raft: `${id}:7500`, api: `${id}:7400` };
    return this.run({ type: 'member.announce', id, replica, ...addresses, version: '0.1.0', featureLevel: level });
  }

  /** A node reports on backends, given as `pool/id`. */
  observe(node: string, ok: boolean, ...keys: string[]): CommandResult {
    const observations = keys.map((key) => {
      const [pool = '', backend = ''] = key.split('/');
      return { pool, backend, ok, latencyMs: 1, detail: ok ? '200' : 'connect refused', atMs: this.nowMs };
    });
    return this.run({ type: 'observe', node, incarnation: '1', observations });
  }

  verdict(key: string): string | undefined {
    return this.state.verdicts.get(key)?.verdict;
  }
}

/** A small document: one listener, one pool with backends `b1`…, and whatever else the pool is given. */
export function sampleDocument(backends: number, pool: object = {}): Record<string, unknown> {
  return {
    listeners: [{ name: 'web', port: 8080, protocol: 'http', routes: [{ pool: 'api' }] }],
    pools: [
      {
        name: 'api',
        backends: Array.from({ length: backends }, (_, at) => ({ id: `b${at + 1}`, address: `10.0.0.${at + 1}:80` })),
        ...pool,
      },
    ],
  };
}
