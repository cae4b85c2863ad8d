/**
 * Traffic of which every request is accounted for: on kept and on fresh connections, with and without bodies, each answer
 * compared with what was sent. A request that fails is the product's fault unless its node was down while it ran. Every
 * POST carries an Idempotency-Key: without one no proxy may send it again when the backend that had received it dies.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { Agent, request as requestHttp } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const BODY_MAX_BYTES = 65_536;
const ANSWER_WITHIN_MS = 10_000;
const FAULTS_KEPT = 20;

export interface TrafficTarget {
  readonly id: string;
  readonly host: string;
  readonly port: number;
}

export interface TrafficReport {
  /** Answered, and with exactly what was expected. */
  readonly ok: number;
  /** No answer, or an error, from a node that was up all the while. */
  readonly failed: number;
  /** Answered with something else than what was asked for. */
  readonly wrong: number;
  /** Broken off because the node was killed. */
  readonly excused: number;
  readonly faults: readonly string[];
  readonly okByTarget: Readonly<Record<string, number>>;
  readonly okByBackend: Readonly<Record<string, number>>;
}

type Outcome = 'ok' | 'failed' | 'wrong' | 'excused';

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly reason: string;
}

export interface TrafficOptions {
  readonly targets: readonly TrafficTarget[];
  /** Of each of the four kinds, per target. */
  readonly workersPerKind?: number;
  readonly pauseMs?: number;
}

export class Traffic {
  readonly #options: TrafficOptions;
  readonly #counts: Record<Outcome, number> = { ok: 0, failed: 0, wrong: 0, excused: 0 };
  readonly #faults: string[] = [];
  readonly #okByTarget: Record<string, number> = {};
  readonly #okByBackend: Record<string, number> = {};
  /** Nodes that are down, and how often each went down: a request that saw neither change has no excuse. */
  readonly #down = new Set<string>();
  readonly #withdrawn = new Set<string>();
  readonly #downCount = new Map<string, number>();
  #running = true;
  #workers: Promise<void>[] = [];

  constructor(options: TrafficOptions) {
    this.#options = options;
  }

  start(): this {
    for (const target of this.#options.targets) {
      for (let worker = 0; worker < (this.#options.workersPerKind ?? 1); worker += 1) {
        for (const method of ['GET', 'POST'] as const) {
          for (const keepAlive of [true, false]) this.#workers.push(this.#work(target, method, keepAlive));
        }
      }
    }
    return this;
  }

  /** To be called right before the node is killed: what breaks from now on is excused. */
  markDown(id: string): void {
    this.#down.add(id);
    this.#downCount.set(id, (this.#downCount.get(id) ?? 0) + 1);
  }

  /** The node said that it is ready: no excuses any more. */
  markUp(id: string): void {
    this.#down.delete(id);
  }

  /** A balancer in front has seen that the node is not ready: nothing new goes there, and what is under way has no excuse. */
  withdraw(id: string): void {
    this.#withdrawn.add(id);
  }

  /** It is ready again. */
  restore(id: string): void {
    this.#withdrawn.delete(id);
  }

  get okCount(): number {
    return this.#counts.ok;
  }

  /** Lets every request finish and adds up. */
  async stop(): Promise<TrafficReport> {
    this.#running = false;
    await Promise.all(this.#workers);
    return this.report();
  }

  report(): TrafficReport {
    return {
      ...this.#counts,
      faults: this.#faults,
      okByTarget: { ...this.#okByTarget },
      okByBackend: { ...this.#okByBackend },
    };
  }

  async #work(target: TrafficTarget, method: 'GET' | 'POST', keepAlive: boolean): Promise<void> {
    const agent = keepAlive ? new Agent({ keepAlive: true, maxSockets: 1 }) : undefined;
    while (this.#running) {
      // A client of a node that is down would go to another one; here it waits.
      if (!this.#down.has(target.id) && !this.#withdrawn.has(target.id)) await this.#once(target, method, agent);
      await sleep(this.#options.pauseMs ?? 10);
    }
    agent?.destroy();
  }

  async #once(target: TrafficTarget, method: 'GET' | 'POST', agent: Agent | undefined): Promise<void> {
    const downBefore = this.#downCount.get(target.id) ?? 0;
    const path = `/t/${randomUUID()}`;
    const body = method === 'POST' ? randomBytes(1 + Math.floor(Math.random() ** 4 * BODY_MAX_BYTES)) : null;
    let fault: string;
    let outcome: Outcome;
    try {
      const answer = await send(target, { method, path, body, agent });
      fault = this.#judge(answer, { method, path, body }, target);
      outcome = fault === '' ? 'ok' : answer.status === 200 ? 'wrong' : 'failed';
    } catch (error) {
      fault = (error as Error).message;
      outcome = 'failed';
    }
    const wentDown = this.#down.has(target.id) || downBefore !== (this.#downCount.get(target.id) ?? 0);
    if (outcome === 'failed' && wentDown) outcome = 'excused';
    this.#counts[outcome] += 1;
    if (outcome === 'failed' || outcome === 'wrong')
      this.#note(outcome, `${target.id} ${method} ${agent ? 'kept' : 'fresh'}: ${fault}`);
  }

  #note(outcome: Outcome, fault: string): void {
    if (this.#faults.length < FAULTS_KEPT) this.#faults.push(`${new Date().toISOString()} ${outcome} ${fault}`);
  }

  /** '' where the answer is exactly right. */
  #judge(answer: Answer, sent: { method: string; path: string; body: Buffer | null }, target: TrafficTarget): string {
    if (answer.status !== 200) return `status ${answer.status} ${answer.reason} ${answer.text.slice(0, 200)}`;
    let mirror: { backend?: string; method?: string; path?: string; body?: { bytes: number; sha256: string } };
    try {
      mirror = JSON.parse(answer.text) as typeof mirror;
    } catch {
      return `not JSON: ${answer.text.slice(0, 200)}`;
    }
    if (mirror.method !== sent.method || mirror.path !== sent.path) return `answer to ${mirror.method} ${mirror.path}`;
    if (sent.body !== null) {
      const sha256 = createHash('sha256').update(sent.body).digest('hex');
      if (mirror.body?.bytes !== sent.body.length || mirror.body.sha256 !== sha256) {
        return `body of ${sent.body.length} bytes arrived as ${mirror.body?.bytes}`;
      }
    }
    this.#okByTarget[target.id] = (this.#okByTarget[target.id] ?? 0) + 1;
    this.#okByBackend[mirror.backend ?? ''] = (this.#okByBackend[mirror.backend ?? ''] ?? 0) + 1;
    return '';
  }
}

function send(
  target: TrafficTarget,
  options: { method: string; path: string; body: Buffer | null; agent: Agent | undefined },
): Promise<Answer> {
  const { method, path, body, agent } = options;
  return new Promise((settle, reject) => {
    // Half of the bodies say their length, half come in chunks.
    const isChunked = body !== null && body.length % 2 === 0;
    const outgoing = requestHttp({
      host: target.host,
      port: target.port,
      method,
      path,
      agent: agent ?? false,
      headers:
        body === null
          ? {}
          : {
              'idempotency-key': randomUUID(),
              ...(isChunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': body.length }),
            },
    });
    const limit = setTimeout(() => outgoing.destroy(new Error('no answer in time')), ANSWER_WITHIN_MS);
    const fail = (error: Error): void => {
      clearTimeout(limit);
      reject(error);
    };
    outgoing.on('error', fail);
    outgoing.on('response', (incoming: IncomingMessage) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', fail);
      incoming.on('end', () => {
        clearTimeout(limit);
        const text = Buffer.concat(chunks).toString('utf8');
        const reason = String(incoming.headers['x-flotilla-error'] ?? '');
        settle({ status: incoming.statusCode ?? 0, text, reason });
      });
    });
    if (body === null) return void outgoing.end();
    outgoing.write(body.subarray(0, body.length >> 1));
    return void outgoing.end(body.subarray(body.length >> 1));
  });
}
