/**
 * This node as a member of its cluster: from the moment its store is open until it stops. Wires the raft node and the
 * state machine to what follows them: publishing, probes, duties, watchers.
 */
import type { Index } from '@flotilla/raft';
import { errorText, type RoutingSnapshot } from '@flotilla/shared';
import type { Logger } from '@flotilla/shared/runtime';
import type { WatchHub } from '../api/watch-hub.ts';
import { Observer } from '../health/observer.ts';
import { Overlay } from '../health/overlay.ts';
import type { Prober } from '../health/prober.ts';
import { featureLevel, outlierRepeatMs } from '../limits.ts';
import { PinBroker } from '../pins/pin-broker.ts';
import type { ControlSettings } from '../ports.ts';
import { Feed } from '../publish/feed.ts';
import type { Publisher } from '../publish/publisher.ts';
import { CertificateOpener } from '../secrets/certificate-opener.ts';
import type { Sealing } from '../secrets/seal-draft.ts';
import { type Changes, clusterLevel, commandLevel, type FenceRow, readFence } from '../state/index.ts';
import { peerAddresses } from './address-book.ts';
import type { Opened } from './boot.ts';
import { announceChanges } from './watch-events.ts';
import { OwnDrain } from './drain.ts';
import { ClusterHost, nameOf } from './host.ts';
import { LeaderDuties } from './leader-duties.ts';
import { NodeDuties } from './node-duties.ts';
import type { NodeTls } from './node-tls.ts';
import { Peers } from './peers.ts';
import type { ReadyView } from './readiness.ts';

/** What the session asks about the node that it belongs to. */
export interface OwnView {
  ready(): ReadyView;
  /** Open client connections. */
  readonly connections: number;
  readonly nodeTls: NodeTls | null;
}

export interface SessionOptions extends Opened {
  readonly settings: ControlSettings;
  readonly api: string;
  readonly log: Logger;
  readonly publisher: Publisher;
  readonly prober: Prober;
  readonly watch: WatchHub;
  readonly own: OwnView;
  readonly sealing: Sealing;
  readonly onPinsSkipped: (count: number) => void;
  readonly onSnapshot: (snapshot: RoutingSnapshot) => void;
  readonly onHalt: (error: unknown) => void;
}

export class Session {
  readonly host: ClusterHost;
  readonly feed: Feed;
  readonly peers: Peers;
  readonly observer: Observer;
  readonly duties: NodeDuties;
  readonly pins: PinBroker;
  readonly #options: SessionOptions;
  readonly #leaderDuties: LeaderDuties;
  readonly #overlay: Overlay;
  readonly #ownDrain: OwnDrain;
  readonly #outliers = new Map<string, number>();
  /** What was committed for certain when this node started. */
  readonly #recoveredCommit: Index;

  constructor(options: SessionOptions) {
    this.#options = options;
    const { raft, machine, settings, api, raftAddress, log, publisher, prober, own } = options;
    this.#recoveredCommit = options.recovered.hard.commit;
    const host = (this.host = new ClusterHost(raft, machine, settings.nodeId));
    const opener = new CertificateOpener(options.sealing.keyring, (fault) => log.error(fault));
    this.feed = new Feed({ state: () => machine.state, publisher, opener, onSnapshot: options.onSnapshot });
    this.peers = new Peers(
      () => this.#others(),
      () => own.nodeTls,
    );
    this.#overlay = new Overlay(prober, publisher);
    this.#ownDrain = new OwnDrain(publisher);
    this.observer = new Observer({
      prober,
      propose: (observations) =>
        host.proposeOwn({ type: 'observe', node: settings.nodeId, incarnation: host.incarnation, observations }),
      quiet: () => host.status().leader === null || !host.state.members.has(settings.nodeId),
    });
    this.pins = new PinBroker({
      propose: (items) => host.propose({ type: 'pins.put', items }),
      quiet: () => host.status().leader === null || clusterLevel(host.state) < commandLevel('pins.put'),
      onSkipped: options.onPinsSkipped,
    });
    const ready = () => own.ready();
    const onRound = (): void => this.#overlay.update(host.status().quorum, performance.now());
    const { version, featureLevel: level = featureLevel } = settings;
    const facts = { raft: raftAddress, api, version, featureLevel: level };
    this.duties = new NodeDuties({ host, facts, ready, log, onRound });
    const self = () => ({ connections: own.connections, drained: publisher.drained });
    this.#leaderDuties = new LeaderDuties({
      host,
      peers: this.peers,
      self,
      seedConfig: settings.seedConfig,
      sealing: options.sealing,
      log,
    });
    this.#subscribe();
  }

  async open(): Promise<void> {
    const { raft } = this.host;
    this.#connect();
    await raft.open();
    this.#connect();
    this.#options.watch.reset(this.host.state.meta.index);
    this.#openFeed();
    this.observer.start();
    this.duties.run();
  }

  /** A proxy thread saw a backend fail again and again; the cluster decides what that means. */
  outlier(pool: string, backend: string): void {
    const key = `${pool}/${backend}`;
    const nowMs = performance.now();
    if (nowMs - (this.#outliers.get(key) ?? -Infinity) < outlierRepeatMs) return;
    this.#outliers.set(key, nowMs);
    const { host } = this;
    host.proposeOwn({ type: 'outlier.propose', pool, backend, node: host.nodeId }).catch((error: unknown) => {
      this.#options.log.debug({ pool, backend, reason: errorText(error) }, 'ejection not decided');
    });
  }

  /** This node's state differs from that of the others: it must not be believed. Null where it does not. */
  get fence(): FenceRow | null {
    const { state, nodeId, raft } = this.host;
    const fence = readFence(state, nodeId);
    return fence?.replica === raft.replica ? fence : null;
  }

  async close(): Promise<void> {
    this.#leaderDuties.close();
    this.duties.close();
    this.observer.close();
    this.pins.close();
    this.peers.close();
    // Nobody is there to take over: stop at once.
    await this.host.raft.close({ transfer: this.host.status().linked.length > 0 });
  }

  #subscribe(): void {
    const { raft, machine } = this.host;
    const { watch, log, onHalt } = this.#options;
    machine.onApplied(({ index, changes, restored }) => {
      if (restored) this.#replaced(index);
      else this.#changed(index, changes);
    });
    raft.on('applied', () => this.#openFeed());
    raft.on('checkpoint', (checkpoint) => this.host.noteCheckpoint(checkpoint));
    raft.on('conf', () => this.#connect());
    raft.on('role', ({ leader, term }) => {
      const index = machine.state.meta.index;
      const id = leader === null ? null : nameOf(leader);
      watch.publish({ index, type: 'leader', data: { id, term } });
      if (leader !== null) this.duties.run();
      this.#leaderDuties.run();
    });
    raft.on('diverged', (divergence) => {
      log.error({ ...divergence }, 'states differ at the same index');
      this.#leaderDuties.diverged(divergence);
    });
    raft.on('halt', (error) => onHalt(error));
  }

  /** Another node's snapshot took the place of the state: nothing that was known before can be relied on. */
  #replaced(index: Index): void {
    this.#options.watch.reset(index);
    this.feed.replaced();
    this.#followPins();
    this.#connect();
    this.#followOwnDrain();
    this.observer.repeatAll();
  }

  #changed(index: Index, changes: Changes): void {
    const { watch } = this.#options;
    this.feed.changed(changes);
    this.#followPins();
    announceChanges(watch, this.host.state, index, changes);
    if (changes.members.length > 0) {
      this.#connect();
      // Whoever is new, or another one than before, is asked at once what it says of itself.
      void this.peers.refresh();
    }
    if (changes.drains.includes(this.host.nodeId)) this.#followOwnDrain();
    if (changes.drains.length + changes.members.length + changes.isolated.length + changes.verdicts.length > 0)
      this.duties.run();
    // A backend that came back into the configuration starts without observations, and so does a node that was cut off.
    if (changes.config || changes.forgotten.includes(this.host.nodeId)) this.observer.repeatAll();
  }

  #openFeed(): void {
    if (!this.feed.opened && this.host.state.meta.index >= this.#recoveredCommit) {
      // First, so that no request of a known session finds an empty table.
      this.#options.publisher.setPins(this.host.state.pins.memory);
      this.feed.open();
      this.#followOwnDrain();
      this.duties.run();
    }
  }

  /** Not before the table is as full as this node can know: until then the threads read the one they have. */
  #followPins(): void {
    if (this.feed.opened) this.#options.publisher.setPins(this.host.state.pins.memory);
  }

  #followOwnDrain(): void {
    const { state, nodeId } = this.host;
    if (this.feed.opened) this.#ownDrain.follow(state.drains.get(nodeId), state.meta.logTimeMs);
  }

  #others(): { id: string; api: string }[] {
    const { state, nodeId } = this.host;
    return [...state.members.entries()].flatMap(([id, { api }]) => (id === nodeId || api === '' ? [] : [{ id, api }]));
  }

  #connect(): void {
    const { told, settings } = this.#options;
    const { raft, state } = this.host;
    const { conf } = raft.status();
    raft.setPeers(peerAddresses({ self: raft.replica, conf, state, told, peers: settings.peers }));
  }
}
