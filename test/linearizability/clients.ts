/**
 * Clients that read, write, compare-and-set and count through any node, each on connections of its own, and write down what
 * they saw. Some repeat a change of unknown outcome under the same Idempotency-Key, through other nodes, until they know;
 * some leave it open.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Operation } from '@flotilla/simulator';
import type { ApiCall } from '../harness/api.ts';
import { SeededRandom } from '../harness/random.ts';
import { anyNode, change, readWeight } from './attempts.ts';
import type { Attempt, Change } from './attempts.ts';
import type { DocumentInput, DocumentOutput } from './document-model.ts';

const WEIGHT_MAX = 1_000;
/** What is still unknown then stays so. */
const PERSIST_MS = 12_000;
const RETRY_PAUSE_MS = 60;
/** Of the clients' changes: repeated until the outcome is known. */
const PERSISTENT_RATIO = 0.7;

export type History = readonly Operation<DocumentInput, DocumentOutput>[];

export interface ClientsOptions {
  readonly nodes: readonly { readonly call: ApiCall }[];
  readonly registers: readonly string[];
  readonly counter: string;
  readonly clients: number;
  readonly pauseMs: number;
  readonly seed: number;
}

export class Clients {
  readonly #options: ClientsOptions;
  readonly #history: Operation<DocumentInput, DocumentOutput>[] = [];
  readonly #faults: string[] = [];
  /** The same for all clients, so that compare-and-sets meet. */
  #lastRevision = 0;
  readonly #nextWeights = new Map<string, number>();
  #running = true;
  #work: Promise<void>[] = [];

  constructor(options: ClientsOptions) {
    this.#options = options;
  }

  start(): this {
    for (let client = 1; client <= this.#options.clients; client += 1) this.#work.push(this.#run(client));
    return this;
  }

  get operationCount(): number {
    return this.#history.length;
  }

  async stop(): Promise<{ readonly history: History; readonly faults: readonly string[] }> {
    this.#running = false;
    await Promise.all(this.#work);
    return { history: this.#history, faults: this.#faults };
  }

  async #run(client: number): Promise<void> {
    const { registers, seed, pauseMs } = this.#options;
    const random = new SeededRandom(seed * 1_000 + client);
    while (this.#running) {
      const key = random.pick(registers);
      const choice = random.next();
      if (choice < 0.35) await this.#read(client, random, random.chance(0.3) ? this.#options.counter : key);
      else if (choice < 0.6) await this.#change(client, random, { op: 'write', key, value: this.#weight(key) });
      else if (choice < 0.8) {
        const input = { op: 'compare-and-set', key, expected: this.#lastRevision, value: this.#weight(key) } as const;
        await this.#change(client, random, input);
      } else await this.#add(client, random);
      await sleep(random.integer(0, 2 * pauseMs));
    }
  }

  /** Each differs from the one before, so that no write is without effect. */
  #weight(key: string): number {
    const weight = 1 + ((this.#nextWeights.get(key) ?? 0) % WEIGHT_MAX);
    this.#nextWeights.set(key, weight);
    return weight;
  }

  async #read(client: number, random: SeededRandom, key: string): Promise<void> {
    const calledAt = performance.now();
    const result = await readWeight(anyNode(this.#options.nodes, random), key);
    if (result.kind === 'fault') this.#faults.push(result.text);
    if (result.kind !== 'done') return;
    this.#lastRevision = Math.max(this.#lastRevision, result.revision);
    const output = { value: result.weight, revision: result.revision };
    this.#note({ client, input: { op: 'read', key }, output, calledAt, returnedAt: performance.now() });
  }

  async #change(
    client: number,
    random: SeededRandom,
    input: DocumentInput & { readonly op: 'write' | 'compare-and-set' },
  ): Promise<void> {
    const calledAt = performance.now();
    const condition = input.op === 'write' ? {} : { ifMatch: input.expected };
    const result = await this.#persist(random, { key: input.key, weight: input.value, ...condition });
    const output = outputOf(result);
    if (output === undefined) return;
    this.#note({ client, input, output, calledAt, returnedAt: output === null ? Infinity : performance.now() });
  }

  /** Reads, adds one, and writes if nobody was faster; again until it is done. To its caller one operation. */
  async #add(client: number, random: SeededRandom): Promise<void> {
    const { counter: key, nodes } = this.#options;
    const calledAt = performance.now();
    while (this.#running) {
      const before = await readWeight(anyNode(nodes, random), key);
      if (before.kind === 'fault') this.#faults.push(before.text);
      if (before.kind !== 'done') return;
      // A weight has an end; the counter then has, too.
      if (before.weight >= WEIGHT_MAX) return;
      const weight = before.weight + 1;
      const result = await this.#persist(random, { key, weight, ifMatch: before.revision });
      if (result.kind === 'mismatch') continue;
      if (result.kind === 'done') {
        const output = { value: weight, revision: result.revision };
        this.#note({ client, input: { op: 'add', key }, output, calledAt, returnedAt: performance.now() });
      } else if (result.kind === 'unknown') {
        // What may still happen is this one attempt, under its condition.
        const input = { op: 'compare-and-set', key, expected: before.revision, value: weight } as const;
        this.#note({ client, input, output: null, calledAt, returnedAt: Infinity });
      }
      return;
    }
  }

  /** Repeats until the outcome is known, if this client is of the patient kind this time. */
  async #persist(random: SeededRandom, what: Omit<Change, 'idempotencyKey'>): Promise<Attempt> {
    const isPatient = random.chance(PERSISTENT_RATIO);
    const deadlineMs = performance.now() + PERSIST_MS;
    const idempotencyKey = randomUUID();
    let isOpen = false;
    for (;;) {
      const result = await change(anyNode(this.#options.nodes, random), { ...what, idempotencyKey });
      if (result.kind === 'fault') this.#faults.push(result.text);
      if (result.kind === 'done') this.#lastRevision = Math.max(this.#lastRevision, result.revision);
      if (result.kind !== 'unknown' && result.kind !== 'refused') return result;
      // Once an attempt is open, a refusal of a later one says nothing about the first.
      isOpen ||= result.kind === 'unknown';
      if (!isPatient || performance.now() > deadlineMs) return isOpen ? { kind: 'unknown' } : result;
      await sleep(RETRY_PAUSE_MS);
    }
  }

  #note(operation: Operation<DocumentInput, DocumentOutput>): void {
    this.#history.push(operation);
  }
}

/** undefined: it did not happen. */
function outputOf(result: Attempt): DocumentOutput | null | undefined {
  switch (result.kind) {
    case 'done':
      return { revision: result.revision };
    case 'mismatch':
      return { mismatch: true };
    case 'unknown':
      return null;
    default:
      return undefined;
  }
}
