/**
 * What the production store stands on in a simulation: LevelDB's calls over a simulated disk. One per process; when the
 * process dies, its unanswered calls stay unanswered.
 */
import type { Database, KeyRange, Operation, StoreHost, Witness } from '@flotilla/raft/internals';
import type { NodeLoop } from '../engine/node-loop.ts';
import type { World } from '../engine/world.ts';
import { keyBytes, keyOf } from './disk.ts';
import type { Key, SimDisk } from './disk.ts';

interface Process {
  readonly world: World;
  readonly loop: NodeLoop;
  readonly disk: SimDisk;
}

/** Room that LevelDB needs for anything at all. */
const BATCH_ROOM_BYTES = 64 * 1024;

export function simHost(process: Process): StoreHost {
  const { disk } = process;
  return {
    database: new SimDatabase(process),
    prepare: () => Promise.resolve(),
    settle: () => Promise.resolve(),
    readWitness: () => Promise.resolve(disk.witness),
    writeWitness: (witness) => writeWitness(process, witness),
    freeBytes: () => Promise.resolve(disk.freeBytes),
  };
}

/** Written aside, synced and renamed: afterwards the old or the new one is there, never half of one. */
function writeWitness({ world, loop, disk }: Process, witness: Witness): Promise<void> {
  return new Promise((resolve) => {
    world.at(Math.max(world.nowMs + disk.syncMs(), disk.stalledUntilMs), () => {
      if (loop.ended) return;
      disk.witness = witness;
      loop.io(resolve);
    });
  });
}

class SimDatabase implements Database {
  status = 'opening';
  readonly #process: Process;
  #busy = false;

  constructor(process: Process) {
    this.#process = process;
  }

  open(): Promise<void> {
    this.status = 'open';
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.status = 'closed';
    return Promise.resolve();
  }

  get(key: Buffer): Promise<Buffer | undefined> {
    return Promise.resolve(this.#process.disk.visible(keyOf(key)));
  }

  batch(operations: Operation[], options: { readonly sync: boolean }): Promise<void> {
    const { world, loop, disk } = this.#process;
    if (this.#busy) return Promise.reject(new Error('two batches at once: LevelDB may commit them in any order'));
    this.#busy = true;
    disk.begin(operations);
    const doneMs = options.sync ? Math.max(world.nowMs + disk.syncMs(), disk.stalledUntilMs) : world.nowMs;
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        if (loop.ended) return;
        // A stall may have begun meanwhile.
        if (options.sync && disk.stalledUntilMs > world.nowMs) return void world.at(disk.stalledUntilMs, finish);
        this.#busy = false;
        const error = disk.freeBytes < BATCH_ROOM_BYTES ? 'no space left on device' : disk.nextError;
        if (error !== null) {
          disk.nextError = null;
          disk.fail();
          loop.io(() => reject(new Error(error)));
          return;
        }
        if (options.sync) disk.commit(operations);
        else disk.cache(operations);
        loop.io(resolve);
      };
      world.at(doneMs, finish);
    });
  }

  iterator(range: KeyRange): { nextv(count: number): Promise<[Buffer, Buffer][]>; close(): Promise<void> } {
    const { disk } = this.#process;
    const keys = disk.keys(keyOf(range.gte), keyOf(range.lt));
    return {
      nextv: (count) =>
        Promise.resolve(
          keys.splice(0, count).map((key): [Buffer, Buffer] => [keyBytes(key), disk.visible(key) as Buffer]),
        ),
      close: () => Promise.resolve(),
    };
  }

  keys(range: KeyRange & { readonly limit?: number }): ReturnType<Database['keys']> {
    const { disk } = this.#process;
    let keys: Key[] = disk.keys(keyOf(range.gte), keyOf(range.lt)).slice(0, range.limit);
    return {
      next: () => {
        const key = keys.shift();
        return Promise.resolve(key === undefined ? undefined : keyBytes(key));
      },
      all: () => Promise.resolve(keys.splice(0).map(keyBytes)),
      seek: (target) => {
        const from = keyOf(target);
        keys = keys.filter((key) => key >= from);
      },
      close: () => Promise.resolve(),
    };
  }
}
