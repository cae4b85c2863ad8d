/**
 * Sticky sessions that move between all nodes: each client keeps the cookie that it was given and sends every request
 * through another node. It must end at the backend that its cookie names, and be given no other, while that backend is up.
 */
import { request as requestHttp } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TrafficTarget } from '../harness/traffic.ts';

const ANSWER_WITHIN_MS = 10_000;
const FAULTS_KEPT = 10;

export interface SessionsOptions {
  readonly targets: readonly TrafficTarget[];
  readonly count: number;
  readonly pauseMs: number;
  /** Nodes that a client would not ask now; how often they went down so far. */
  readonly isDown: (id: string) => boolean;
  readonly downCount: (id: string) => number;
  /** From the moment it is killed until every node takes it for up again. */
  readonly isBackendDown: (id: string) => boolean;
  /** How often backends were killed so far. */
  readonly killCount: () => number;
}

export interface SessionCounts {
  readonly ok: number;
  readonly failed: number;
  readonly excused: number;
  readonly strayed: number;
}

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #counts = { ok: 0, failed: 0, excused: 0, strayed: 0 };
  readonly faults: string[] = [];
  #running = true;
  #work: Promise<void>[] = [];

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  start(): this {
    this.#work = Array.from({ length: this.#options.count }, (_, number) => this.#session(number));
    return this;
  }

  get counts(): SessionCounts {
    return { ...this.#counts };
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#work);
  }

  async #session(number: number): Promise<void> {
    const { targets, pauseMs, isDown } = this.#options;
    let cookie = '';
    let turn = number;
    while (this.#running) {
      turn += 1;
      const up = targets.filter(({ id }) => !isDown(id));
      const target = up[turn % Math.max(1, up.length)];
      if (target !== undefined) {
        const killsBefore = this.#options.killCount();
        const answer = await this.#ask(target, cookie);
        if (answer !== null) {
          this.#judge(`session ${number} through ${target.id}`, { cookie, killsBefore, ...answer });
          cookie = answer.given === '' ? cookie : answer.given;
        }
      }
      await sleep(pauseMs);
    }
  }

  #judge(
    who: string,
    seen: { readonly cookie: string; readonly backend: string; readonly given: string; readonly killsBefore: number },
  ): void {
    const pinned = backendOf(seen.cookie);
    const isTold = seen.given === '' || backendOf(seen.given) === pinned;
    const { isBackendDown, killCount } = this.#options;
    const mayMove = pinned === '' || isBackendDown(pinned) || seen.killsBefore !== killCount();
    if (mayMove || (seen.backend === pinned && isTold)) {
      this.#counts.ok += 1;
      return;
    }
    this.#counts.strayed += 1;
    this.#note(`${who}: pinned to ${pinned}, came to ${seen.backend}, was given "${seen.given}"`);
  }

  /** Null where there was no answer. */
  async #ask(
    target: TrafficTarget,
    cookie: string,
  ): Promise<{ readonly backend: string; readonly given: string } | null> {
    const { isDown, downCount, killCount } = this.#options;
    const downBefore = downCount(target.id);
    const killsBefore = killCount();
    try {
      return await get(target, cookie);
    } catch (error) {
      const isExcused = isDown(target.id) || downBefore !== downCount(target.id) || killsBefore !== killCount();
      this.#counts[isExcused ? 'excused' : 'failed'] += 1;
      if (!isExcused) this.#note(`session through ${target.id}: ${(error as Error).message}`);
      return null;
    }
  }

  #note(fault: string): void {
    if (this.faults.length < FAULTS_KEPT) this.faults.push(`${new Date().toISOString()} ${fault}`);
  }
}

/** `NAME=backend.expiry.signature` */
const backendOf = (cookie: string): string => cookie.slice(cookie.indexOf('=') + 1).split('.')[0] ?? '';

function get(target: TrafficTarget, cookie: string): Promise<{ readonly backend: string; readonly given: string }> {
  return new Promise((settle, reject) => {
    const { host, port } = target;
    const headers = cookie === '' ? {} : { cookie };
    const outgoing = requestHttp({ host, port, path: '/session', agent: false, headers });
    outgoing.setTimeout(ANSWER_WITHIN_MS, () => outgoing.destroy(new Error('no answer in time')));
    outgoing.on('error', reject);
    outgoing.on('response', (incoming) => {
      let text = '';
      incoming.setEncoding('utf8');
      incoming.on('data', (chunk: string) => {
        text += chunk;
      });
      incoming.on('error', reject);
      incoming.on('end', () => {
        if (incoming.statusCode !== 200) return reject(new Error(`status ${incoming.statusCode}: ${text}`));
        const [given = ''] = (incoming.headers['set-cookie'] ?? []).map((line) => line.split(';')[0] ?? '');
        return settle({ backend: (JSON.parse(text) as { backend: string }).backend, given });
      });
    });
    outgoing.end();
  });
}
