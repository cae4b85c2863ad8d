/**
 * Measurements of the control thread, under the names of the contract. What the proxy threads count arrives as text from
 * publish/exposition.ts; what can be read at the moment of a scrape is read then, not tracked.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { RaftMetrics } from '@flotilla/raft';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { DurationHistogram } from './publish/duration-histogram.ts';
import { type Family, render } from './publish/exposition.ts';

const FAST_BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const STALL_BUCKETS = [0.1, 0.2, 0.3, 0.5, 1, 2, 5];
const LOOP_RESOLUTION_MS = 10;
const NS_PER_S = 1e9;

export interface RaftFigures {
  readonly isLeader: boolean;
  readonly hasLeader: boolean;
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  /** Leader only: entries that each other member lacks. */
  readonly peerLags: readonly (readonly [peer: string, entries: number])[];
  readonly revision: number;
}

export class ControlMetrics {
  readonly registry = new Registry();
  readonly #loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  readonly #probes: Histogram;
  readonly #commits = durations('raft_commit_seconds', 'From a proposal at this node to its application at this node.');
  readonly #fsyncs = durations('raft_fsync_seconds', 'One synced batch of the log.');
  readonly #propagation = durations(
    'config_propagation_seconds',
    'From a change applied here to all proxy threads serving it.',
  );
  readonly #figures: Readonly<Record<'leader' | 'known' | 'term' | 'commit' | 'applied' | 'revision', Gauge>>;
  readonly #pinsSkipped: Counter;
  readonly #lag: Gauge;
  readonly #delay: Gauge;
  /** To be given to the raft node and its transport. */
  readonly raft: RaftMetrics;

  constructor() {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    const gauge = (name: string, help: string) => new Gauge({ name: `flotilla_${name}`, help, registers });
    const changes = new Counter({
      name: 'flotilla_raft_leader_changes_total',
      help: 'Changes of the known leader, seen by this node.',
      registers,
    });
    this.#pinsSkipped = new Counter({
      name: 'flotilla_pins_skipped_total',
      help: 'Sessions that were not pinned because there were too many at once; the same backend serves them while the pool stays as it is.',
      registers,
    });
    const dropped = new Counter({
      name: 'flotilla_raft_messages_dropped_total',
      help: 'Messages to other members that had no connection or did not fit.',
      registers,
      labelNames: ['lane', 'reason'],
    });
    const refused = new Counter({
      name: 'flotilla_raft_connections_refused_total',
      help: 'Connections between nodes that were refused, on either side, by reason.',
      registers,
      labelNames: ['code'],
    });
    const missed = new Counter({
      name: 'flotilla_raft_heartbeats_missed_total',
      help: 'Heartbeats of the leader, or answers to them, that did not reach this node in their time.',
      registers,
    });
    const stalls = new Histogram({
      name: 'flotilla_control_stall_seconds',
      help: "Times for which the control thread's event loop was held for longer than a heartbeat.",
      registers,
      buckets: STALL_BUCKETS,
    });
    this.raft = {
      heartbeatsMissed: (count) => missed.inc(count),
      stallMs: (gapMs) => stalls.observe(gapMs / 1000),
      commitSeconds: (seconds) => this.#commits.observe(seconds),
      fsyncSeconds: (seconds) => this.#fsyncs.observe(seconds),
      leaderChange: () => changes.inc(),
      messageDropped: (lane, reason) => dropped.inc({ lane, reason }),
      connectionRefused: (code) => refused.inc({ code }),
    };
    this.#probes = new Histogram({
      name: 'flotilla_probe_duration_seconds',
      help: 'Health probes of this node.',
      registers,
      labelNames: ['pool'],
      buckets: FAST_BUCKETS,
    });
    this.#figures = {
      leader: gauge('raft_is_leader', '1 on the leader.'),
      known: gauge('raft_has_leader', '1 where a leader is known.'),
      term: gauge('raft_term', 'Term of consensus.'),
      commit: gauge('raft_commit_index', 'Last committed index known here.'),
      applied: gauge('raft_applied_index', 'Last index applied here.'),
      revision: gauge('config_revision', 'Index of the last change of the configuration.'),
    };
    this.#lag = new Gauge({
      name: 'flotilla_raft_peer_lag_entries',
      help: 'Entries that a member lacks; on the leader only.',
      registers,
      labelNames: ['peer'],
    });
    this.#delay = new Gauge({
      name: 'flotilla_event_loop_delay_seconds',
      help: "Delay of the control thread's event loop since the last scrape.",
      registers,
      labelNames: ['quantile'],
    });
    this.#loop.enable();
  }

  probed(pool: string, seconds: number): void {
    this.#probes.observe({ pool }, seconds);
  }

  pinsSkipped(count: number): void {
    this.#pinsSkipped.inc(count);
  }

  propagated(seconds: number): void {
    this.#propagation.observe(seconds);
  }

  /** Mean delay of the loop beyond its sampling interval, in ms. */
  get eventLoopDelayMs(): number {
    const meanMs = this.#loop.mean / 1e6;
    return Number.isFinite(meanMs) ? Math.max(0, Math.round((meanMs - LOOP_RESOLUTION_MS) * 100) / 100) : 0;
  }

  async text(figures: RaftFigures | null, families: readonly Family[]): Promise<string> {
    if (figures !== null) this.#set(figures);
    for (const [quantile, percentile] of [
      ['0.5', 50],
      ['0.99', 99],
      ['1', 100],
    ] as const)
      this.#delay.set(
        { quantile },
        Math.max(0, this.#loop.percentile(percentile) / NS_PER_S - LOOP_RESOLUTION_MS / 1000),
      );
    this.#loop.reset();
    const own = [this.#commits, this.#fsyncs, this.#propagation].map((one) => one.family());
    return `${await this.registry.metrics()}\n${render([...own, ...families])}`;
  }

  close(): void {
    this.#loop.disable();
    this.registry.clear();
  }

  #set(figures: RaftFigures): void {
    this.#figures.leader.set(figures.isLeader ? 1 : 0);
    this.#figures.known.set(figures.hasLeader ? 1 : 0);
    this.#figures.term.set(figures.term);
    this.#figures.commit.set(figures.commitIndex);
    this.#figures.applied.set(figures.appliedIndex);
    this.#figures.revision.set(figures.revision);
    this.#lag.reset();
    for (const [peer, entries] of figures.peerLags) this.#lag.set({ peer }, entries);
  }
}

function durations(name: string, help: string): DurationHistogram {
  return new DurationHistogram({ name: `flotilla_${name}`, help, buckets: FAST_BUCKETS });
}
