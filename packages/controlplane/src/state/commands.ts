/**
 * Everything that can be asked of the replicated state, version 1. Types only; `command-schema.ts` checks them, `codec.ts` writes them.
 *
 * A node that does not know a command's version or type refuses it with a result and changes nothing; so does one that knows
 * it, until the cluster has the feature level that it needs: see features.ts.
 */
import type { BackendState } from '@flotilla/shared';
import type { DrainPhase, FenceRow } from './rows.ts';

/** Carried by every command. */
export interface Envelope {
  readonly v: 1;
  /** Who asked: the token's name, or `node:n1` for what nodes do by themselves. */
  readonly author?: string;
  /** Where it came from, e.g. the client's address. */
  readonly source?: string;
  /** Idempotency key: within a day the same author and key get the stored answer, and nothing is done twice. */
  readonly key?: string;
}

/** Refused with REVISION_MISMATCH where given and not the configuration's current revision (0: none yet). */
interface Conditional {
  readonly ifMatch?: number;
}

export type ResourceKind = 'listener' | 'pool' | 'certificate' | 'backend' | 'settings';

/** Which resource. `pool` for backends only; `name` is the backend's id, and ignored for settings. */
export interface ResourceRef {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly pool?: string;
}

/** One whole document in place of the present one. `document` as users write it: checked and normalised when applied. */
export interface ConfigReplace extends Envelope, Conditional {
  readonly type: 'config.replace';
  readonly document: unknown;
}

/** The document of an earlier revision, as a new revision. */
export interface ConfigRollback extends Envelope, Conditional {
  readonly type: 'config.rollback';
  readonly revision: number;
}

export interface ResourcePut extends Envelope, Conditional, ResourceRef {
  readonly type: 'resource.put';
  /** Whole resource; a name inside must be the same as `name`, and may be left out. */
  readonly value: unknown;
}

export interface ResourcePatch extends Envelope, Conditional, ResourceRef {
  readonly type: 'resource.patch';
  /** JSON merge patch (RFC 7396). */
  readonly patch: unknown;
}

export interface ResourceDelete extends Envelope, Conditional, ResourceRef {
  readonly type: 'resource.delete';
}

/** The frequent change: a backend's weight or state. */
export interface BackendSet extends Envelope, Conditional {
  readonly type: 'backend.set';
  readonly pool: string;
  readonly id: string;
  readonly weight?: number;
  readonly state?: BackendState;
}

export interface ObservationInput {
  readonly pool: string;
  readonly backend: string;
  readonly ok: boolean;
  readonly latencyMs: number;
  readonly detail: string;
  /** By the observer's clock. */
  readonly atMs: number;
}

/** What a node's probes found. None: a heartbeat, which says that all it said before still holds (at least every 5 s). */
export interface Observe extends Envelope {
  readonly type: 'observe';
  readonly node: string;
  /** Of the replica that announced itself (the part after `#`); another one's reports are refused. */
  readonly incarnation: string;
  readonly observations: readonly ObservationInput[];
}

/** A node is there, under this replica id. Repeated at each start and where anything changes. */
export interface MemberAnnounce extends Envelope {
  readonly type: 'member.announce';
  readonly id: string;
  readonly replica: string;
  readonly raft: string;
  readonly api: string;
  readonly version: string;
  readonly featureLevel: number;
}

export interface MemberStatus extends Envelope {
  readonly type: 'member.status';
  readonly id: string;
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

/** Proposed by the leader: who it hears of. Members that are not listed stay as they are. */
export interface MemberLiveness extends Envelope {
  readonly type: 'member.liveness';
  readonly items: readonly { readonly id: string; readonly alive: boolean }[];
}

export interface MemberRemove extends Envelope {
  readonly type: 'member.remove';
  readonly id: string;
}

/** Starts a drain of a node, or changes the terms of one. Interlocks are checked here unless `force`. */
export interface DrainSet extends Envelope {
  readonly type: 'drain.set';
  readonly id: string;
  readonly deadlineMs?: number;
  /** Wait before connections are touched; the configuration's `settings.drainPropagationMs` where it is not given. */
  readonly propagationMs?: number;
  readonly reason?: string;
  readonly force?: boolean;
}

/** The next phase, or what is left in this one. Phases only go forward. */
export interface DrainProgress extends Envelope {
  readonly type: 'drain.phase';
  readonly id: string;
  readonly phase: DrainPhase;
  readonly connections?: number;
}

export interface DrainCancel extends Envelope {
  readonly type: 'drain.cancel';
  readonly id: string;
}

/**
 * A replica's state was found to differ from that of the majority at the same index: it is drained and must not be believed
 * until it comes back with another disk.
 */
export interface MemberFence extends Envelope, FenceRow {
  readonly type: 'member.fence';
  readonly id: string;
}

/** A node saw a backend fail its traffic. Committed only under the pool's cap, never for the last backend that serves. */
export interface OutlierPropose extends Envelope {
  readonly type: 'outlier.propose';
  readonly pool: string;
  readonly backend: string;
  readonly node: string;
}

/** Secrets that all nodes must share, drawn by the first leader. The first one wins; later ones change nothing. */
export interface ClusterInit extends Envelope {
  readonly type: 'cluster.init';
  /** Signs affinity cookies; at least 16 characters. */
  readonly affinityKey: string;
}

/** Sessions and the backends that served them: the first committed pin of a session wins. Written in a form of its own. */
export interface PinsPut extends Envelope {
  readonly type: 'pins.put';
  /** Six words each: hash of the pool's name, four words of the key, slot of the backend. */
  readonly items: Int32Array;
}

export interface PinsDelete extends Envelope {
  readonly type: 'pins.delete';
  readonly pool: string;
  /** The session's key as given, or `#` and its hash. */
  readonly session: string;
}

/** All sessions of a pool, or of one of its backends, in one of `PIN_PARTITIONS_COUNT` parts of the key space: no entry is large. */
export interface PinsClear extends Envelope {
  readonly type: 'pins.clear';
  readonly pool: string;
  readonly backend?: string;
  readonly partition: number;
}

/** Proposed by the leader about once a second: time goes on where nothing else happens. */
export interface Tick extends Envelope {
  readonly type: 'tick';
}

/** Proposed by the leader once every member has announced the level; see features.ts. */
export interface FeaturesRaise extends Envelope {
  readonly type: 'features.raise';
  readonly level: number;
}

export type Command =
  | ConfigReplace
  | ConfigRollback
  | ResourcePut
  | ResourcePatch
  | ResourceDelete
  | BackendSet
  | Observe
  | MemberAnnounce
  | MemberStatus
  | MemberLiveness
  | MemberRemove
  | MemberFence
  | DrainSet
  | DrainProgress
  | DrainCancel
  | OutlierPropose
  | ClusterInit
  | PinsPut
  | PinsDelete
  | PinsClear
  | Tick
  | FeaturesRaise;

export type CommandType = Command['type'];
