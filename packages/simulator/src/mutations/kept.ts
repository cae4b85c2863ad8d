/**
 * Rows of the table that are there already. The whole table takes long; a run that was cut short goes on where it was, as
 * long as not one source file has changed: rows are kept under the digest of all of them.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MutationOutcome } from './child.ts';

const SOURCES = ['raft/src', 'controlplane/src/state', 'simulator/src'].map((path) =>
  fileURLToPath(new URL(`../../../${path}`, import.meta.url)),
);

export interface KeptRow {
  readonly outcome: MutationOutcome;
  readonly seconds: number;
}

export class KeptRows {
  readonly #file: string;
  readonly #rows: Record<string, KeptRow>;

  constructor() {
    this.#file = join(tmpdir(), `flotilla-mutations-${digestOfSources()}.json`);
    this.#rows = read(this.#file);
  }

  get(name: string): KeptRow | undefined {
    return this.#rows[name];
  }

  set(name: string, row: KeptRow): void {
    this.#rows[name] = row;
    writeFileSync(this.#file, JSON.stringify(this.#rows));
  }
}

function read(file: string): Record<string, KeptRow> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, KeptRow>;
  } catch {
    // None yet, or cut off in the middle: begun anew.
    return {};
  }
}

function digestOfSources(): string {
  const hash = createHash('sha256');
  for (const root of SOURCES) {
    const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
      (name) => name.endsWith('.ts') && !name.endsWith('.test.ts'),
    );
    for (const name of names.toSorted()) hash.update(`${name}\n`).update(readFileSync(join(root, name)));
  }
  return hash.digest('hex').slice(0, 16);
}
