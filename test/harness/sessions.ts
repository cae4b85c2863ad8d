/**
 * Clients with sessions: each knows which backend serves it, moves between the nodes from request to request, and counts as a
 * stray where another one answers without need.
 */
import { Agent, request as requestHttp } from 'node:http';
import type { TrafficTarget } from './traffic.ts';

const CONCURRENT = 24;
const ANSWER_WITHIN_MS = 10_000;
const STRAYS_KEPT = 10;

export interface SessionClientsOptions {
  readonly count: number;
  readonly header: string;
  readonly targets: readonly TrafficTarget[];
}

export class SessionClients {
  readonly #options: SessionClientsOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: CONCURRENT });
  /** By client: the backend that served it last. */
  readonly homes = new Map<number, string>();
  readonly strays: string[] = [];
  strayCount = 0;
  failedCount = 0;
  movedCount = 0;
  /** Nodes that are asked. */
  targets: readonly TrafficTarget[];

  constructor(options: SessionClientsOptions) {
    this.#options = options;
    this.targets = options.targets;
  }

  keyOf(client: number): string {
    return `client-${client}`;
  }

  /**
   * Every client asks once, `CONCURRENT` at a time, each at another node than the time before. `mayMove`: whether the backend that
   * a client has may be given up; asked after the answer is there.
   */
  async round(number: number, mayMove: (backend: string) => boolean = () => false): Promise<void> {
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < this.#options.count) {
        const client = next++;
        await this.#ask(client, client + number, mayMove);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENT }, worker));
  }

  async #ask(client: number, turn: number, mayMove: (backend: string) => boolean): Promise<void> {
    const target = this.targets[turn % this.targets.length]!;
    const before = this.homes.get(client);
    const backend = await this.answer(target, this.keyOf(client)).catch(() => null);
    if (backend === null) {
      // A node that was killed with the request in its hands: another one is asked.
      this.failedCount += 1;
      return;
    }
    this.homes.set(client, backend);
    if (before === undefined || before === backend) return;
    this.movedCount += 1;
    if (mayMove(before)) return;
    this.strayCount += 1;
    if (this.strays.length < STRAYS_KEPT)
      this.strays.push(`${this.keyOf(client)}: ${before} → ${backend} (${target.id})`);
  }

  /** The backend that a node gives a session. Rejects where that is none. */
  answer(target: TrafficTarget, key: string): Promise<string> {
    const { host, port } = target;
    return new Promise((resolve, reject) => {
      const headers = { [this.#options.header]: key };
      const request = requestHttp({ host, port, agent: this.#agent, headers, timeout: ANSWER_WITHIN_MS });
      request.on('timeout', () => request.destroy(new Error('no answer')));
      request.on('error', reject);
      request.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('error', reject);
        response.on('end', () => {
          if (response.statusCode === 200) resolve((JSON.parse(text) as { backend: string }).backend);
          else reject(new Error(`status ${response.statusCode}: ${text}`));
        });
      });
      request.end();
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
