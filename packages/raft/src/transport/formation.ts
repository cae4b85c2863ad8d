/**
 * How a cluster begins. Nodes that were given the same first members form it only when all of them are there, none
 * belongs to a cluster yet, and all see exactly the same replicas: a node that lost its disk is another replica, so it can
 * never help to form a second cluster beside the first. Afterwards the same question finds the cluster that exists.
 */
import { createHash } from 'node:crypto';
import { errorText } from '@flotilla/shared';
import { replicaName } from '../core/conf-change.ts';
import { EMPTY_CONF } from '../core/types.ts';
import type { ConfState, ReplicaId } from '../core/types.ts';
import { RaftError } from '../driver/errors.ts';
import type { Clock, RaftLogger, Random, Recovered, Storage } from '../driver/ports.ts';
import { silentLogger, systemClock, systemRandom } from '../driver/system.ts';
import type { FormationState } from './formation-hello.ts';
import { FORMATION_LOG_EVERY_MS, FORMATION_POLL_EVERY_MS } from './limits.ts';
import { DialError } from './outgoing.ts';
import type { TcpTransport } from './tcp-transport.ts';

const INCARNATION_BYTES = 4;
const STORE_FORMAT = 1;

export interface SeedAddress {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

export interface FormClusterOptions {
  readonly storage: Storage;
  readonly recovered: Recovered;
  readonly transport: TcpTransport;
  readonly clusterName: string;
  /** First members, this node included; with `join`: members to ask. */
  readonly peers: readonly SeedAddress[];
  /** Never form: wait until a member lists this replica (it was added through the API). */
  readonly join?: boolean;
  readonly logger?: RaftLogger;
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
}

/** The replica id of this data directory: its cluster's, or one that is drawn once and kept. */
export async function replicaOf(options: {
  readonly storage: Storage;
  readonly recovered: Recovered;
  readonly name: string;
  readonly random?: Random;
}): Promise<ReplicaId> {
  const { storage, recovered, name } = options;
  if (recovered.identity) return recovered.identity.replica;
  const incarnation = Buffer.from((options.random ?? systemRandom).bytes(INCARNATION_BYTES)).toString('hex');
  const replica = await storage.reserveReplica(recovered.reserved ?? `${name}#${incarnation}`);
  if (replicaName(replica) === name) return replica;
  throw new RaftError('DAMAGED', `this data directory belongs to ${replicaName(replica)}, not to ${name}`);
}

/** Same members, same id: nobody has to be asked. */
export function clusterIdOf(clusterName: string, replicas: readonly ReplicaId[]): string {
  const hash = createHash('sha256').update(clusterName);
  for (const replica of [...replicas].sort()) hash.update(`\n${replica}`);
  return hash.digest('hex').slice(0, 32);
}

/**
 * Resolves when this node belongs to a cluster, with what its store holds then. Rejects with NOT_MEMBER where the cluster
 * exists without this replica, and with STOPPED when `signal` aborts.
 */
export async function formCluster(options: FormClusterOptions): Promise<Recovered> {
  const { recovered, transport } = options;
  if (recovered.faults.length > 0)
    throw new RaftError('DAMAGED', `the store is damaged: ${recovered.faults.join('; ')}`);
  const membership = recovered.identity
    ? { clusterId: recovered.identity.clusterId, conf: recovered.initialConf }
    : await new Formation(options).run();
  const formed = recovered.identity ? recovered : await initialise(options, membership);
  transport.joined(membership.clusterId);
  transport.answerFormation(() => ({
    replica: transport.replica,
    clusterId: membership.clusterId,
    initialConf: membership.conf,
    members: transport.members,
    view: new Map(),
  }));
  return formed;
}

/** Durable before anybody is told. */
async function initialise(options: FormClusterOptions, membership: Membership): Promise<Recovered> {
  const { recovered, storage, transport } = options;
  const createdMs = (options.clock ?? systemClock).wallMs();
  const identity = { clusterId: membership.clusterId, replica: transport.replica, format: STORE_FORMAT, createdMs };
  await storage.initialise(identity, membership.conf);
  return { ...recovered, identity, initialConf: membership.conf, reserved: null };
}

interface Membership {
  readonly clusterId: string;
  readonly conf: ConfState;
}

class Formation {
  readonly #options: FormClusterOptions;
  readonly #self: ReplicaId;
  readonly #clock: Clock;
  readonly #logger: RaftLogger;
  readonly #others: readonly SeedAddress[];
  /** What each peer said last; forgotten when it cannot be reached any more. */
  readonly #heard = new Map<string, FormationState>();
  readonly #loggedMs = new Map<string, number>();
  #stopped = false;

  constructor(options: FormClusterOptions) {
    this.#options = options;
    this.#self = options.transport.replica;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
    this.#others = options.peers.filter((peer) => peer.name !== replicaName(this.#self));
    if (!options.join && this.#others.length === options.peers.length) {
      throw new RaftError('CONF_INVALID', `the first members must include this node, ${replicaName(this.#self)}`);
    }
  }

  async run(): Promise<Membership> {
    const { transport, signal } = this.#options;
    transport.answerFormation(() => this.#own());
    const search = this.#search();
    if (!signal) return search;
    const stopped = new Promise<never>((_resolve, reject) => {
      const stop = (): void => {
        this.#stopped = true;
        reject(new RaftError('STOPPED', 'stopped while waiting for the cluster'));
      };
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
      search.then(
        () => signal.removeEventListener('abort', stop),
        () => signal.removeEventListener('abort', stop),
      );
    });
    return Promise.race([search, stopped]);
  }

  async #search(): Promise<Membership> {
    while (!this.#stopped) {
      // One question per peer at a time: answers of one peer are never taken out of order.
      await Promise.all(this.#others.map((peer) => this.#ask(peer)));
      const found = this.#existing() ?? (this.#options.join ? null : this.#agreed());
      if (found) return found;
      await new Promise<void>((resolve) => {
        this.#clock.setTimer(this.#clock.nowMs() + FORMATION_POLL_EVERY_MS, resolve);
      });
    }
    throw new RaftError('STOPPED', 'stopped while waiting for the cluster');
  }

  #own(): FormationState {
    const view = new Map([[replicaName(this.#self), this.#self]]);
    for (const [name, state] of this.#heard) view.set(name, state.replica);
    return { replica: this.#self, clusterId: '', initialConf: EMPTY_CONF, members: [], view };
  }

  async #ask(peer: SeedAddress): Promise<void> {
    try {
      const state = await this.#options.transport.askFormation(peer.host, peer.port, this.#own());
      if (replicaName(state.replica) !== peer.name) {
        this.#say(peer, `expected ${peer.name} there, found ${state.replica}`);
        this.#heard.delete(peer.name);
        return;
      }
      this.#heard.set(peer.name, state);
    } catch (error) {
      this.#heard.delete(peer.name);
      const refused = error instanceof DialError && error.refused !== null && error.refused !== 'BUSY';
      this.#say(peer, refused ? errorText(error) : 'no answer yet');
    }
  }

  /** A cluster that exists and counts this replica among its members. */
  #existing(): Membership | null {
    for (const [name, state] of this.#heard) {
      if (state.clusterId === '') continue;
      const { voters, learners } = state.initialConf;
      if ([...voters, ...learners, ...state.members].includes(this.#self)) {
        this.#logger.info({ clusterId: state.clusterId, from: state.replica }, 'found the cluster of this node');
        return { clusterId: state.clusterId, conf: state.initialConf };
      }
      if (!this.#options.join) {
        throw new RaftError(
          'NOT_MEMBER',
          `the cluster exists (${name} belongs to ${state.clusterId}); this data directory is not a member of it`,
        );
      }
      this.#say({ name, host: '', port: 0 }, 'the cluster does not list this node yet');
    }
    return null;
  }

  /** All first members are here, unformed, and see the same replicas as this node does. */
  #agreed(): Membership | null {
    const own = this.#own().view;
    if (own.size !== this.#options.peers.length) return null;
    for (const peer of this.#others) {
      const state = this.#heard.get(peer.name);
      if (state === undefined || state.clusterId !== '' || !sameView(own, state.view)) return null;
    }
    const voters = [...own.values()].sort();
    const clusterId = clusterIdOf(this.#options.clusterName, voters);
    this.#logger.info({ clusterId, voters }, 'forming a new cluster');
    return { clusterId, conf: { ...EMPTY_CONF, voters } };
  }

  #say(peer: SeedAddress, reason: string): void {
    const nowMs = this.#clock.nowMs();
    const key = `${peer.name} ${reason}`;
    if (nowMs < (this.#loggedMs.get(key) ?? -Infinity) + FORMATION_LOG_EVERY_MS) return;
    this.#loggedMs.set(key, nowMs);
    this.#logger.info({ peer: peer.name, reason }, `waiting for ${peer.name} at ${peer.host}:${peer.port}`);
  }
}

function sameView(a: ReadonlyMap<string, ReplicaId>, b: ReadonlyMap<string, ReplicaId>): boolean {
  return a.size === b.size && [...a].every(([name, replica]) => b.get(name) === replica);
}
