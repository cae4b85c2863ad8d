/**
 * What all HTTP connections of one proxy thread share: names, counters and caches that would be silly to keep per connection.
 */
import { randomBytes } from 'node:crypto';
import { Affinity } from '../affinity/affinity.ts';
import type { Pool } from '../config/table.ts';
import type { DataplaneContext } from '../thread/context.ts';
import { RetryBudget } from '../upstream/retry-budget.ts';

const SECOND_MS = 1000;
/** The last digits of request ids: a table is cheaper than formatting a number for each request. */
const ID_LOW_COUNT = 4_096;
const ID_LOW = Array.from({ length: ID_LOW_COUNT }, (_, low) => low.toString(16).padStart(3, '0'));

export class HttpEngine {
  readonly context: DataplaneContext;
  readonly affinity: Affinity;
  /** With the version of the request before it and the end of the line after it. */
  #viaName = '';
  via10 = '';
  via11 = '';
  /** Random per thread: with the counter it makes request ids that nobody else makes. */
  readonly #idPrefix = randomBytes(8).toString('hex');
  #idCount = 0;
  /** All of the next ids but for their last three digits. */
  #idHigh = '';
  readonly #budgets = new Map<string, RetryBudget>();
  #dateLine = '';
  #dateUntilMs = 0;

  constructor(context: DataplaneContext) {
    this.context = context;
    const clock = { nowMs: () => context.timers.nowMs, logNowMs: () => context.table().logNowMs() };
    this.affinity = new Affinity(clock, context.pins);
  }

  get viaName(): string {
    return this.#viaName;
  }

  refreshViaName(): void {
    const name = this.context.viaName();
    if (name === this.#viaName) return;
    this.#viaName = name;
    this.via10 = `Via: 1.0 ${name}\r\n`;
    this.via11 = `Via: 1.1 ${name}\r\n`;
  }

  nextRequestId(): string {
    const count = this.#idCount++;
    const low = count % ID_LOW_COUNT;
    if (low === 0) this.#idHigh = this.#idPrefix + ((count - low) / ID_LOW_COUNT).toString(16).padStart(5, '0');
    return this.#idHigh + (ID_LOW[low] as string);
  }

  /** `Date: …` of now, made once a second. */
  dateLine(): string {
    const { nowMs } = this.context.timers;
    if (nowMs >= this.#dateUntilMs) {
      const wall = Date.now();
      this.#dateUntilMs = nowMs + SECOND_MS - (wall % SECOND_MS);
      this.#dateLine = `Date: ${new Date(wall).toUTCString()}\r\n`;
    }
    return this.#dateLine;
  }

  budget(pool: Pool): RetryBudget {
    let budget = this.#budgets.get(pool.spec.name);
    if (budget === undefined) {
      budget = new RetryBudget();
      this.#budgets.set(pool.spec.name, budget);
    }
    return budget;
  }
}

const engines = new WeakMap<DataplaneContext, HttpEngine>();

/** One engine per context, and so per proxy thread. */
export function engineOf(context: DataplaneContext): HttpEngine {
  let engine = engines.get(context);
  if (engine === undefined) {
    engine = new HttpEngine(context);
    engines.set(context, engine);
  }
  return engine;
}
