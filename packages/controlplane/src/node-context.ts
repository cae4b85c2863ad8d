/**
 * What the API asks of this node, answered from the parts. Readiness and status never wait for anybody.
 */
import { FlotillaError } from '@flotilla/shared';
import type { ExplainRequest } from '@flotilla/shared';
import type { ApiContext, MemberCall, NodePortFault, Wait } from './api/context.ts';
import type { WatchHub } from './api/watch-hub.ts';
import { parseHostPort } from './cluster/address-book.ts';
import { diskWarnings } from './cluster/disk-warnings.ts';
import { type ClusterHost, nameOf } from './cluster/host.ts';
import { type By, join, type JoinAnswer, type JoinRequest, remove, replicasOf } from './cluster/membership.ts';
import { callNode } from './cluster/node-call.ts';
import { type NodeTls, nodeTlsOf } from './cluster/node-tls.ts';
import { type ListenerPort, portFaults, type PortFault } from './cluster/port-check.ts';
import { FellowNodes } from './cluster/fellow-nodes.ts';
import { Readiness, type ReadyView, unknownBackends } from './cluster/readiness.ts';
import { refuseUnserved, type ServedAnswer, servedHere, type ServedQuestion } from './cluster/served.ts';
import { callRoll, refuseUnsafeDrain, type RollCall } from './cluster/roll-call.ts';
import type { Session } from './cluster/session.ts';
import { leaderView, memberViews, type MemberView, ownRole, type StatusView } from './cluster/views.ts';
import { collectTimeoutMs, shareFirstSampleMs, shareSampleMs, transferTimeoutMs } from './limits.ts';
import type { ControlMetrics, RaftFigures } from './metrics.ts';
import type { ControlLinks, ControlSettings, StaticPage } from './ports.ts';
import { backendFamilies, pinFamily } from './publish/backend-families.ts';
import { expiryFamily, trafficFamilies } from './publish/exposition.ts';
import type { Publisher } from './publish/publisher.ts';
import { Shares } from './publish/shares.ts';
import { type CredentialStore, expiryWarning, worthShowing } from './secrets/credential-store.ts';
import type { Sealing } from './secrets/seal-draft.ts';
import { fenceText, isIsolated, readSession, readSettings } from './state/index.ts';

export interface NodeContextOptions {
  readonly settings: ControlSettings;
  readonly links: ControlLinks;
  readonly publisher: Publisher;
  readonly metrics: ControlMetrics;
  readonly watch: WatchHub;
  readonly sealing: Sealing;
  readonly credentials: CredentialStore;
  readonly session: () => Session | null;
  /** What the start waits for. */
  readonly progress: () => string;
}

export class NodeContext implements ApiContext {
  readonly nodeId: string;
  readonly version: string;
  readonly watch: WatchHub;
  readonly sealing: Sealing;
  stopping = false;
  readonly #options: NodeContextOptions;
  readonly #readiness = new Readiness();
  readonly #startedAt = new Date().toISOString();
  readonly #startedMs = performance.now();
  readonly #open: Int32Array;
  readonly #shares = new Shares();
  readonly #fellows: FellowNodes;
  readonly #timer: NodeJS.Timeout;

  constructor(options: NodeContextOptions) {
    this.#options = options;
    this.nodeId = options.settings.nodeId;
    this.version = options.settings.version;
    this.watch = options.watch;
    this.sealing = options.sealing;
    this.#fellows = new FellowNodes({
      host: () => this.host(),
      tls: () => this.nodeTls,
      portFaults: (ports) => this.portFaults(ports),
    });
    this.#open = new Int32Array(options.links.memory.connections);
    this.#timer = setInterval(() => void this.#sampleShares(), shareSampleMs);
    this.#timer.unref();
    // What the first share is measured from.
    setTimeout(() => void this.#sampleShares(), shareFirstSampleMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** How the nodes' APIs are spoken to. */
  get nodeTls(): NodeTls | null {
    return nodeTlsOf(this.#options.credentials.current);
  }

  /** Open client connections of this node. */
  get connections(): number {
    let sum = 0;
    for (const { id } of this.#options.publisher.threads) sum += this.#connectionsOf(id);
    return sum;
  }

  host(): ClusterHost {
    const session = this.#options.session();
    if (this.stopping) throw new FlotillaError('STOPPING', 'this node is stopping');
    if (session === null)
      throw new FlotillaError('NO_LEADER', `this node has no cluster yet: ${this.#options.progress()}`);
    const { fence } = session;
    if (fence !== null) throw new FlotillaError('QUARANTINED', fenceText(fence));
    return session.host;
  }

  ready(): ReadyView {
    const { publisher, settings } = this.#options;
    const session = this.#options.session();
    const view = { connections: this.connections, drained: publisher.drained };
    const loaded = session?.feed.opened === true;
    if (session === null || !loaded) {
      const reasons = [this.stopping ? 'stopping' : this.#options.progress()];
      return { ready: false, reasons, stale: true, configured: false, activeRevision: 0, appliedIndex: 0, ...view };
    }
    const { state, nodeId } = session.host;
    const { quorum, conf, self } = session.host.status();
    const reasons = this.#readiness.reasons({
      loaded,
      loadingReason: '',
      caughtUp: session.duties.caughtUp,
      listenerFaults: [...session.feed.faults, ...publisher.listenerFaults(state.listeners.keys())],
      unknownBackends: () => unknownBackends(state),
      awaitsConfig: state.meta.revision === 0 && settings.seedConfig !== null,
      draining: state.drains.has(nodeId),
      isolated: isIsolated(state, nodeId),
      quorum,
      readyWithoutQuorum: readSettings(state).readyWithoutQuorum,
      stopping: this.stopping,
      quarantine: session.fence === null ? '' : fenceText(session.fence),
      removed: session.duties.caughtUp && !replicasOf(conf).includes(self),
    });
    return {
      ready: reasons.length === 0,
      reasons,
      stale: !quorum,
      configured: state.meta.revision > 0,
      activeRevision: Math.min(publisher.activeRevision, state.meta.revision),
      appliedIndex: state.meta.index,
      ...view,
    };
  }

  status(): StatusView {
    const { settings, publisher, metrics } = this.#options;
    const session = this.#options.session();
    const host = session?.host;
    const raft = host?.status();
    const { ready, reasons } = this.ready();
    const certificates = this.#options.credentials.ages(Date.now()).filter(worthShowing);
    return {
      node: {
        id: this.nodeId,
        incarnation: host?.incarnation ?? '',
        version: this.version,
        startedAt: this.#startedAt,
      },
      clusterName: settings.clusterName,
      role: raft === undefined ? 'follower' : ownRole(raft),
      term: raft?.term ?? 0,
      leader: leaderView(raft?.leader ?? null, this.apiOf(raft?.leader ?? null)),
      quorum: raft?.quorum ?? false,
      commitIndex: raft?.commit ?? 0,
      appliedIndex: host?.state.meta.index ?? 0,
      revision: host?.revision ?? 0,
      digest: host?.machine.digest() ?? '',
      staleMs: host?.staleMs ?? null,
      draining: host?.state.drains.has(this.nodeId) ?? false,
      ready,
      reasons,
      certificates,
      warnings: [
        ...certificates.flatMap((one) => expiryWarning(one) ?? []),
        ...(raft === undefined ? [] : diskWarnings(raft.disk)),
      ],
      proxyThreads: publisher.threads.map(({ id, activeRevision }) => ({
        id,
        activeRevision,
        connections: this.#connectionsOf(id),
      })),
      eventLoopDelayMs: metrics.eventLoopDelayMs,
      uptimeMs: Math.round(performance.now() - this.#startedMs),
    };
  }

  members(): MemberView[] {
    const session = this.#options.session();
    if (session === null) return [];
    const { state } = session.host;
    const peer = (id: string) => session.peers.view(id);
    return memberViews({ state, status: session.host.status(), peer, self: this.ready(), nowMs: performance.now() });
  }

  apiOf(replica: string | null): string {
    if (replica === null) return '';
    return this.#options.session()?.host.state.members.get(nameOf(replica))?.api ?? '';
  }

  avoids(pool: string, backend: string): boolean {
    return this.#options.publisher.overlay.some((one) => one.pool === pool && one.id === backend);
  }

  async metrics(): Promise<string> {
    const { publisher, metrics, links } = this.#options;
    const stats = await publisher.collect(collectTimeoutMs);
    this.#shares.sample(stats, performance.now());
    const session = this.#options.session();
    const snapshot = session?.feed.current() ?? null;
    const pins = pinFamily(snapshot, (pool) => session?.host.state.pins.countOf(pool) ?? 0);
    const certificates = expiryFamily(this.#options.credentials.ages(Date.now()));
    const backends = backendFamilies(snapshot, links.memory, this.#shares);
    const families = [...trafficFamilies(stats), ...backends, pins, certificates];
    return metrics.text(this.#figures(), families);
  }

  servesAtOnce(revision: number): boolean {
    this.#options.session()?.feed.flush();
    return this.#options.publisher.activeRevision >= revision;
  }

  async whenServed(question: ServedQuestion, wait: Wait, authorization: string | null): Promise<void> {
    const { revision } = question;
    const asked = wait === 'all' ? this.#fellows.served(question, authorization) : [];
    const [own, others] = await Promise.all([this.served(question), asked]);
    refuseUnserved(revision, [own, ...others]);
  }

  served(question: ServedQuestion): Promise<ServedAnswer> {
    this.#options.session()?.feed.flush();
    return servedHere(this.#options.publisher, this.nodeId, question);
  }

  portFaults(ports: readonly ListenerPort[]): Promise<readonly PortFault[]> {
    return portFaults(ports, this.#options.settings);
  }

  portFaultsOfAll(ports: readonly ListenerPort[], authorization: string | null): Promise<readonly NodePortFault[]> {
    return this.#fellows.portFaults(ports, authorization);
  }

  get pages(): readonly StaticPage[] {
    return this.#options.links.pages ?? [];
  }

  explain(request: ExplainRequest): object {
    const { explain } = this.#options.links;
    const session = this.#options.session();
    const snapshot = session?.feed.current() ?? null;
    if (explain === undefined || session === null || snapshot === null)
      throw new FlotillaError('NOT_FOUND', 'this node cannot explain: it carries no traffic');
    const pinOf = (pool: string, key: string) => readSession(session.host.state, pool, key)?.backend ?? null;
    const answer = explain(snapshot, { ...request, pinOf });
    if (answer === null) throw new FlotillaError('NOT_FOUND', `there is no listener ${request.listener}`);
    return answer;
  }

  join(request: JoinRequest, by: By): Promise<JoinAnswer> {
    return join(this.host(), request, this.#options.settings.clusterName, by);
  }

  remove(id: string, force: boolean, by: By): Promise<void> {
    return remove(this.host(), id, { force, callRoll: () => this.#callRoll(), by });
  }

  async refuseUnsafeDrain(id: string): Promise<void> {
    const roll = await this.#callRoll();
    const host = this.host();
    // This node may not have heard yet of who came back.
    await host.read('linearizable');
    refuseUnsafeDrain(host, id, roll);
  }

  /** Only the leader can: another node passes the question on, with its caller's token. */
  async transferLeadership(to: string | null, authorization: string | null): Promise<string> {
    const host = this.host();
    const { leader } = host.status();
    if (leader === null) throw new FlotillaError('NO_LEADER', 'there is no leader that could hand over');
    if (leader === host.raft.replica) {
      const target = to === null ? null : this.#replicaOf(host, to);
      if (target !== leader && host.status().conf.voters.length < 2)
        throw new FlotillaError('CONFLICT', 'there is no other voter that could lead');
      return nameOf(await host.raft.transferLeadership(target, { timeoutMs: transferTimeoutMs }));
    }
    const api = parseHostPort(this.apiOf(leader));
    if (api === null) throw new FlotillaError('NO_LEADER', 'the address of the leader is not known here yet');
    const body = to === null ? {} : { to };
    const answer = await callNode({
      api,
      id: nameOf(leader),
      method: 'POST',
      path: '/v1/leader/transfer',
      authorization,
      tls: this.nodeTls,
      body,
    });
    return (answer as { id: string }).id;
  }

  askMember(id: string, call: MemberCall): Promise<unknown> {
    return this.#fellows.ask(id, call);
  }

  end(how: 'restart' | 'stop'): void {
    this.#options.links.onEnd?.(how);
  }

  async #callRoll(): Promise<RollCall> {
    const { nodeId: id } = this;
    const peers = this.#options.session()?.peers;
    return peers === undefined
      ? { present: new Set([id]), ready: new Set() }
      : callRoll(peers, { id, ready: this.ready().ready });
  }

  /** By the membership rather than by the list of members: a node that has just come may not have announced itself yet. */
  #replicaOf(host: ClusterHost, id: string): string {
    const { conf } = host.status();
    const replica = conf.voters.find((voter) => nameOf(voter) === id);
    if (replica !== undefined) return replica;
    if (host.state.members.has(id)) throw new FlotillaError('CONFLICT', `${id} has no vote and cannot lead`);
    throw new FlotillaError('NOT_FOUND', `${id} is not a member`);
  }

  #connectionsOf(threadId: number): number {
    return threadId < this.#open.length ? Atomics.load(this.#open, threadId) : 0;
  }

  async #sampleShares(): Promise<void> {
    this.#shares.sample(await this.#options.publisher.collect(collectTimeoutMs), performance.now());
  }

  #figures(): RaftFigures | null {
    const host = this.#options.session()?.host;
    if (host === undefined) return null;
    const { role, leader, term, commit, applied, peers, lastIndex } = host.status();
    return {
      isLeader: role === 'leader',
      hasLeader: leader !== null,
      term,
      commitIndex: commit,
      appliedIndex: applied,
      peerLags: peers.map(({ id, match }) => [nameOf(id), Math.max(0, lastIndex - match)] as const),
      revision: host.revision,
    };
  }
}
