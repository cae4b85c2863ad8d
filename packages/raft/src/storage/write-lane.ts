/**
 * The single file in front of LevelDB's door: one synced batch under way, ever. LevelDB commits batches that are issued
 * together in any order, which would corrupt a log. Appends overtake waiting chunks of snapshots.
 *
 * After the first error nothing is written any more: LevelDB itself no longer knows what reached the disk.
 */
import { RaftError } from '../driver/errors.ts';
import type { Database, Operation } from './host.ts';

interface Job {
  readonly operations: Operation[];
  readonly resolve: () => void;
  readonly reject: (error: RaftError) => void;
}

export class WriteLane {
  readonly #database: Database;
  readonly #urgent: Job[] = [];
  readonly #background: Job[] = [];
  #writing = false;
  #failed: RaftError | null = null;
  #idle: (() => void)[] = [];

  constructor(database: Database) {
    this.#database = database;
  }

  write(operations: Operation[], priority: 'urgent' | 'background'): Promise<void> {
    return new Promise((resolve, reject) => {
      (priority === 'urgent' ? this.#urgent : this.#background).push({ operations, resolve, reject });
      if (!this.#writing) this.#next();
    });
  }

  /** Resolves when nothing is under way or waiting. */
  async idle(): Promise<void> {
    if (!this.#writing) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #next(): void {
    const job = this.#urgent.shift() ?? this.#background.shift();
    if (job === undefined) {
      for (const resolve of this.#idle.splice(0)) resolve();
      return;
    }
    if (this.#failed) {
      job.reject(this.#failed);
      this.#next();
      return;
    }
    if (this.#writing) throw new Error('two batches in flight');
    this.#writing = true;
    this.#database.batch(job.operations, { sync: true }).then(
      () => {
        this.#writing = false;
        job.resolve();
        this.#next();
      },
      (error: unknown) => {
        this.#writing = false;
        this.#failed = new RaftError('DISK', `the store cannot be written: ${String(error)}`, { cause: error });
        job.reject(this.#failed);
        this.#next();
      },
    );
  }
}
