/**
 * What the threads of one node say to one another, and the memory that they share.
 *
 * main (supervisor) starts everything and owns the shared memory, so that it survives a crash of the control thread;
 * control and proxy threads talk over one MessagePort each. A proxy thread that loses its control port goes on serving.
 */
import type { MessagePort } from 'node:worker_threads';
import type { BackendDelta, RoutingSnapshot } from './snapshot.ts';

/** Backends that can have a slot at the same time on one node. */
export const BACKEND_SLOTS_MAX = 65_536;

/** A proposed pin: hash of the pool's name, four words of the key, slot of the backend (perhaps with {@link PIN_NEEDED}). */
export const PIN_PROPOSAL_WORDS = 6;
/** Added to the slot where the session would be lost without its pin: others would now choose another backend for it. Beyond every slot. */
export const PIN_NEEDED = 0x1_0000;

/** Shared between all threads of a node; allocated once by the supervisor. */
export interface SharedMemory {
  /** Int32 per backend slot: requests and tunnels in flight to it from this node, all proxy threads together. */
  readonly inFlight: SharedArrayBuffer;
  /**
   * What each proxy thread has added to `inFlight`: a row of BACKEND_SLOTS_MAX Int32 per thread, written by that thread only.
   * When a thread dies, the supervisor takes its row out of `inFlight` and clears it.
   */
  readonly inFlightByThread?: SharedArrayBuffer;
  /** Int32 per proxy thread: open client connections. */
  readonly connections: SharedArrayBuffer;
}

/** Given to a proxy thread when it starts. */
export interface ProxyThreadData {
  readonly nodeId: string;
  readonly threadId: number;
  readonly bindAddress: string;
  readonly portOffset: number;
  readonly memory: SharedMemory;
  readonly logLevel: string;
  /** Where the node stands, as in the backends' tag `zone`: work stays there while that zone can carry it. */
  readonly zone?: string;
}

/** Supervisor → proxy thread. */
export type SupervisorToProxy =
  /** A (new) control thread is there: talk to it over this port from now on. */
  | { readonly type: 'control-port'; readonly port: MessagePort }
  | { readonly type: 'stop'; readonly deadlineMs: number };

/** Control → proxy thread. */
export type ControlToProxy =
  | { readonly type: 'snapshot'; readonly snapshot: RoutingSnapshot }
  | {
      readonly type: 'delta';
      readonly index: number;
      readonly revision: number;
      readonly logTimeMs: number;
      readonly backends: readonly BackendDelta[];
    }
  /** Stop keep-alive, close idle connections, let the rest finish; `deadlineMs` from now, then close. `draining: false` undoes. */
  | { readonly type: 'drain'; readonly draining: boolean; readonly deadlineMs: number }
  /** Local reachability seen by this node's own probes, for use while the cluster's verdicts are stale. */
  | { readonly type: 'overlay'; readonly down: readonly { readonly pool: string; readonly id: string }[] }
  /** The node's pin table; null: there are no pins yet. Read it from now on instead of an earlier one. */
  | { readonly type: 'pins'; readonly memory: SharedArrayBuffer | null }
  | { readonly type: 'collect'; readonly id: number };

/** Proxy thread → control. */
export type ProxyToControl =
  | {
      readonly type: 'hello';
      readonly threadId: number;
      readonly index: number;
      readonly revision: number;
      /** One Int32, to be raised after each delta is posted: the thread looks at it before every request and connection. */
      readonly posted: SharedArrayBuffer;
    }
  /**
   * Every new request and connection follows this index from now on, and whatever delta is posted after it: a thread that
   * follows the newest snapshot needs no further word.
   */
  | { readonly type: 'active'; readonly index: number; readonly revision: number }
  | {
      readonly type: 'listener';
      readonly name: string;
      readonly port: number;
      readonly bound: boolean;
      readonly error: string;
    }
  | { readonly type: 'stats'; readonly id: number; readonly stats: ProxyStats }
  | { readonly type: 'outlier'; readonly pool: string; readonly backend: string; readonly consecutiveErrors: number }
  /** Sessions to be pinned, {@link PIN_PROPOSAL_WORDS} words each; `skipped`: those that were too many even to propose. */
  | { readonly type: 'pin-proposals'; readonly words: Int32Array; readonly skipped: number }
  | { readonly type: 'drained'; readonly connections: number };

/** Proxy thread → supervisor. */
export interface ProxyToSupervisor {
  readonly type: 'access-log';
  /** Finished lines, each with its end. */
  readonly text: string;
}

/** Counters since the thread started; the control thread adds the threads up for Prometheus. */
export interface ProxyStats {
  readonly connections: readonly (readonly [listener: string, open: number])[];
  readonly requests: readonly (readonly [
    listener: string,
    pool: string,
    backend: string,
    codeClass: string,
    count: number,
  ])[];
  /** One row per listener and pool; `buckets` counts per upper bound of {@link DURATION_BUCKETS_SECONDS}, not cumulative, one more for +Inf. */
  readonly durations: readonly (readonly [
    listener: string,
    pool: string,
    buckets: readonly number[],
    sumSeconds: number,
  ])[];
  readonly retries: readonly (readonly [pool: string, reason: string, count: number])[];
  readonly errors: readonly (readonly [listener: string, reason: string, count: number])[];
  readonly bytes: readonly (readonly [listener: string, direction: 'in' | 'out', count: number])[];
  /** Sessions, idle connections and whatever else is a plain number: name of the metric without prefix, labels, value. */
  readonly gauges: readonly (readonly [name: string, labels: Readonly<Record<string, string>>, value: number])[];
}

export const DURATION_BUCKETS_SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
] as const;

/** Supervisor → control thread. */
export type SupervisorToControl =
  | { readonly type: 'stop'; readonly deadlineMs: number }
  /** A proxy thread (re)started: this is the port to it. */
  | { readonly type: 'proxy-port'; readonly threadId: number; readonly port: MessagePort }
  /** Throw out of the event loop, as a bug would: sent only where FLOTILLA_DEBUG=1 allows it. */
  | { readonly type: 'debug-crash' }
  /** Change the replicated state behind the others' back: sent only where FLOTILLA_DEBUG=diverge allows it. */
  | { readonly type: 'debug-diverge' };

/** Control thread → supervisor. */
export type ControlToSupervisor =
  | { readonly type: 'started'; readonly apiUrl: string }
  | { readonly type: 'stopped' }
  /** End all threads; start them again in the same process, or end it, too. */
  | { readonly type: 'restart' | 'stop' }
  /** End the process with this exit code: the disk cannot be trusted (74), the settings are wrong (78) … */
  | { readonly type: 'fatal'; readonly exitCode: number; readonly message: string };
