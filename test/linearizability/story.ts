/**
 * What the stories of processes and of containers have in common: clients on a document of two registers and a counter, and the
 * judgement of what they saw. Each story brings its cluster and its faults.
 *
 * FLOTILLA_CHAOS_SEED repeats a run's faults, FLOTILLA_CHAOS_SECONDS makes it longer.
 */
import type { ApiCall } from '../harness/api.ts';
import { Clients } from './clients.ts';
import { documentModel } from './document-model.ts';
import { judge } from './judge.ts';
import type { Judgement } from './judge.ts';

export const SEED = Number(process.env['FLOTILLA_CHAOS_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const REGISTERS = ['b1', 'b2'];
const COUNTER = 'b3';
const CLIENTS = 5;
const PAUSE_MS = 40;
export const OPERATIONS_MIN = 100;

interface Document {
  readonly weights: Readonly<Record<string, number>>;
  readonly revision: number;
}

export interface StoryEnd extends Judgement {
  /** Answers that no cluster may give, e.g. of another shape. */
  readonly faults: readonly string[];
  readonly injected: number;
}

export const chaosSeconds = (otherwise: number): number => Number(process.env['FLOTILLA_CHAOS_SECONDS'] ?? otherwise);

export class Story {
  readonly #start: Document;
  readonly #clients: Clients;

  private constructor(start: Document, clients: Clients) {
    this.#start = start;
    this.#clients = clients;
  }

  /** The counter starts at zero. */
  static async start(nodes: readonly { readonly call: ApiCall }[]): Promise<Story> {
    const [first] = nodes;
    const zero = await first!.call('PATCH', `/v1/pools/api/backends/${COUNTER}`, { body: { weight: 0 } });
    const { body } = await first!.call('GET', '/v1/pools/api');
    const backends = body.backends as { id: string; weight: number }[];
    const weights = Object.fromEntries(backends.map(({ id, weight }) => [id, weight]));
    const options = { nodes, registers: REGISTERS, counter: COUNTER, clients: CLIENTS, pauseMs: PAUSE_MS, seed: SEED };
    return new Story({ weights, revision: zero.body.revision as number }, new Clients(options).start());
  }

  /** `injected`: how often each fault was; `missing`: what this machine could not inject. All of it is printed. */
  async end(injected: ReadonlyMap<string, number>, missing: readonly string[]): Promise<StoryEnd> {
    const { history, faults } = await this.#clients.stop();
    const judgement = judge(documentModel(this.#start), history);
    console.log(`seed ${SEED}:`, JSON.stringify(judgement), JSON.stringify(Object.fromEntries(injected)));
    for (const line of missing) console.log(`left out: ${line}`);
    return { ...judgement, faults, injected: [...injected.values()].reduce((sum, count) => sum + count, 0) };
  }
}
