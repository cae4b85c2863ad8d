/**
 * Real time and real randomness: the only file of the driver that touches either.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Clock, Random, RaftLogger } from './ports.ts';

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer(atMs, run) {
    const timer = setTimeout(run, Math.max(0, Math.ceil(atMs - performance.now())));
    return { cancel: () => clearTimeout(timer) };
  },
  immediate: (run) => void setImmediate(run),
};

export const systemRandom: Random = {
  integer: (bound) => (bound <= 1 ? 0 : randomInt(0, bound)),
  bytes: (lengthBytes) => randomBytes(lengthBytes),
};

const ignore = (): void => undefined;

/** Says nothing: for callers that bring no logger. */
export const silentLogger: RaftLogger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
