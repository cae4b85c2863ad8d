/** The rows of the replicated state, section by section: plain immutable data, nothing but JSON values. */
import type {
  BackendConfig,
  CertificateConfig,
  ListenerConfig,
  PoolConfig,
  SettingsConfig,
  Verdict,
} from '@flotilla/shared';
import type { CommandResult } from './result.ts';

/** A pool without its backends: they have rows of their own, so that a weight change costs one small row. */
export type PoolRow = Omit<PoolConfig, 'backends'> & {
  /** Backend ids in the order of the document. */
  readonly backends: readonly string[];
};

export interface BackendRow {
  readonly pool: string;
  readonly config: BackendConfig;
  /** Place in the shared memory of a node. Never changes while the backend exists. */
  readonly slot: number;
  /** Log time since which weight and state let it take new work. */
  readonly enabledSinceMs: number;
}

/** What a configuration change replaced. Applied backwards, newest first, these give every former document. */
export interface UndoRow {
  readonly listeners?: Readonly<Record<string, ListenerConfig | null>>;
  readonly pools?: Readonly<Record<string, PoolRow | null>>;
  /** By `pool/id`. */
  readonly backends?: Readonly<Record<string, BackendConfig | null>>;
  readonly certificates?: Readonly<Record<string, CertificateConfig | null>>;
  readonly settings?: SettingsConfig;
  readonly order?: Readonly<Record<string, readonly string[]>>;
}

export interface HistoryRow {
  readonly revision: number;
  readonly previousRevision: number;
  readonly timeMs: number;
  readonly author: string;
  /** Where the change came from, e.g. the client's address. */
  readonly source: string;
  /** Command type, e.g. `config.replace`. */
  readonly action: string;
  /** A line for people, e.g. `backend api/b1: weight 100 → 50`. */
  readonly summary: string;
  readonly undo: UndoRow;
}

export interface AuditRow {
  readonly index: number;
  readonly timeMs: number;
  readonly author: string;
  readonly source: string;
  readonly action: string;
  readonly target: string;
  readonly summary: string;
  /** Revision of the configuration after it. */
  readonly revision: number;
}

/** What one node's probes last said of a backend. */
export interface Observation {
  readonly node: string;
  readonly ok: boolean;
  readonly latencyMs: number;
  readonly detail: string;
  /** By the observer's own clock. */
  readonly atMs: number;
  /** Log time since which it says the same. */
  readonly sinceMs: number;
}

/** All observations of one backend, sorted by node. */
export type ObservationsRow = readonly Observation[];

export interface VerdictRow {
  /** What counts: probes, hold-down and ejection together. */
  readonly verdict: Verdict;
  /** What the observers last agreed on. */
  readonly probe: 'up' | 'down' | 'unknown';
  /** Log time of the last change of `verdict`. */
  readonly sinceMs: number;
  readonly reason: string;
  /** Log time at which it last became up. */
  readonly upSinceMs: number;
  /** Falls within the flap window; 0 once it was up for a whole window. */
  readonly flapCount: number;
  readonly lastDownMs: number;
  /** Stays down until this log time, whatever the observers say; 0: not held. */
  readonly holdUntilMs: number;
  /** Ejected until this log time; 0: not ejected. */
  readonly ejectedUntilMs: number;
  readonly ejectionCount: number;
  readonly lastEjectedMs: number;
  readonly ejectedBy: string;
}

export interface ObserverRow {
  readonly incarnation: string;
  /** Log time of its last report or heartbeat. */
  readonly heardMs: number;
  /** Log time since which it is alone in seeing most backends down; 0: it is not. */
  readonly suspectSinceMs: number;
  /** Suspect for longer than probes of others can lag behind: has no vote. */
  readonly isolated: boolean;
  /** Fresh when last looked at; a silent observer loses this at a tick. */
  readonly fresh: boolean;
}

export interface MemberRow {
  readonly id: string;
  /** `name#incarnation`. */
  readonly replica: string;
  readonly raft: string;
  readonly api: string;
  readonly version: string;
  readonly featureLevel: number;
  readonly announcedMs: number;
  readonly ready: boolean;
  readonly reasons: readonly string[];
  /** As the leader sees it. */
  readonly alive: boolean;
  readonly aliveSinceMs: number;
}

/** Beyond the first feature level; one row. */
export interface FeatureRow {
  readonly level: number;
  /** Of the entry that raised it. */
  readonly index: number;
}

export type DrainPhase = 'withdrawing' | 'draining' | 'drained';

export interface DrainRow {
  readonly id: string;
  readonly phase: DrainPhase;
  readonly phaseSinceMs: number;
  readonly startedMs: number;
  /** Wait before connections are touched, from the start of `withdrawing`. */
  readonly propagationMs: number;
  /** Time that established work gets, from the start of `draining`. */
  readonly deadlineMs: number;
  readonly reason: string;
  readonly author: string;
  readonly forced: boolean;
  /** Connections left, as the node last said; null: not said yet. */
  readonly connections: number | null;
  /** The drain fences a replica whose state was found to differ: only another disk ends it. */
  readonly fence?: FenceRow;
}

/** At the same index, two states. */
export interface FenceRow {
  readonly replica: string;
  readonly index: number;
  /** What the majority has there. */
  readonly digest: string;
  readonly itsDigest: string;
}

/** A slot whose backend is gone, while pins may still name it. */
export interface RestingSlotRow {
  readonly slot: number;
  /** Partitions of the pin table that had been swept when it was given back; one whole turn later no pin names it. */
  readonly sweptCount: number;
}

export interface PinSweepRow {
  /** Partitions swept so far. */
  readonly count: number;
}

/** The stored answer of a command that carried an idempotency key. */
export interface OutcomeRow {
  readonly index: number;
  readonly timeMs: number;
  /** Hash of what was asked, so that a key cannot be used for something else. */
  readonly fingerprint: string;
  readonly result: CommandResult;
}
