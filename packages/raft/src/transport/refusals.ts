/**
 * One clear line in the log for each kind of refused connection, once in a while: a peer with the wrong secret tries
 * again every second for days.
 */
import type { RaftLogger, RaftMetrics } from '../driver/ports.ts';
import { LOG_REPEAT_MS } from './limits.ts';
import type { RefusalCode } from './options.ts';

const HINTS: Record<RefusalCode, string> = {
  WRONG_CLUSTER: 'it belongs to another cluster: check the cluster name and the address',
  BAD_SECRET: 'it has another cluster secret: give all nodes the same one',
  BAD_CERTIFICATE:
    'its certificate is not of the CA of this node, is expired or names another node: see `flotilla certs show`',
  VERSION: 'no common protocol version: upgrade one node after the other, skipping no release',
  NOT_MEMBER: 'it is not a member of this cluster (any more): join it anew with an empty data directory',
  IDENTITY_IN_USE: 'another running process has the same identity: was a data directory copied?',
  WRONG_PEER: 'another replica answers at this address: was a data directory lost or an address reused?',
  BUSY: 'it is not ready for peers yet',
  PROTOCOL: 'it does not speak the protocol of this version',
};

const REMEMBERED_MAX_COUNT = 1_000;

export class Refusals {
  readonly #logger: RaftLogger;
  readonly #metrics: RaftMetrics;
  readonly #nowMs: () => number;
  readonly #logged = new Map<string, number>();

  constructor(logger: RaftLogger, metrics: RaftMetrics, nowMs: () => number) {
    this.#logger = logger;
    this.#metrics = metrics;
    this.#nowMs = nowMs;
  }

  /** `direction`: who was refused by whom. */
  note(code: RefusalCode, direction: 'in' | 'out', fields: { readonly peer: string; readonly detail?: string }): void {
    this.#metrics.connectionRefused?.(code);
    if (code === 'BUSY') return;
    const key = `${direction} ${code} ${fields.peer}`;
    const nowMs = this.#nowMs();
    if (nowMs < (this.#logged.get(key) ?? -Infinity) + LOG_REPEAT_MS) return;
    if (this.#logged.size >= REMEMBERED_MAX_COUNT) this.#logged.clear();
    this.#logged.set(key, nowMs);
    const what = direction === 'in' ? 'refused a connection' : 'a peer cannot be used';
    this.#logger.warn({ code, ...fields }, `${what}: ${HINTS[code]}`);
  }
}

export function isRefusalCode(code: string): code is RefusalCode {
  return Object.hasOwn(HINTS, code);
}
