/**
 * What routes may use. One object, made by control.ts; the API holds no state of its own.
 */
import type { ExplainRequest } from '@flotilla/shared';
import type { ClusterHost } from '../cluster/host.ts';
import type { By, JoinAnswer, JoinRequest } from '../cluster/membership.ts';
import type { ListenerPort, PortFault } from '../cluster/port-check.ts';
import type { ServedAnswer, ServedQuestion } from '../cluster/served.ts';
import type { ReadyView } from '../cluster/readiness.ts';
import type { MemberView, StatusView } from '../cluster/views.ts';
import type { StaticPage } from '../ports.ts';
import type { Sealing } from '../secrets/seal-draft.ts';
import type { WatchHub } from './watch-hub.ts';

export interface MemberCall {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly authorization: string | null;
  readonly timeoutMs?: number;
}

export interface NodePortFault extends PortFault {
  readonly node: string;
}

export type Wait = 'commit' | 'applied' | 'all';

export interface ApiContext {
  readonly nodeId: string;
  readonly version: string;
  /** Throws NO_LEADER with the reason while the store opens or the cluster forms. */
  host(): ClusterHost;
  ready(): ReadyView;
  status(): StatusView;
  members(): MemberView[];
  /** API address of a member; '' where it is not known. */
  apiOf(replica: string | null): string;
  /** Whether this node goes round a backend by its own probes, while there is no quorum to judge. */
  avoids(pool: string, backend: string): boolean;
  metrics(): Promise<string>;
  /** Posts what was changed to the proxy threads. True where this node serves the revision: nobody needs to be asked. */
  servesAtOnce(revision: number): boolean;
  /** Resolves when it is served as far as `wait` asks; throws NOT_SERVED. */
  whenServed(question: ServedQuestion, wait: Wait, authorization: string | null): Promise<void>;
  /** Whether this node serves it. */
  served(question: ServedQuestion): Promise<ServedAnswer>;
  /** Which of these ports this node could not open now. */
  portFaults(ports: readonly ListenerPort[]): Promise<readonly PortFault[]>;
  /** The same of all living nodes, by node; those that do not answer in time are left out. */
  portFaultsOfAll(ports: readonly ListenerPort[], authorization: string | null): Promise<readonly NodePortFault[]>;
  join(request: JoinRequest, by: By): Promise<JoinAnswer>;
  remove(id: string, force: boolean, by: By): Promise<void>;
  /** Throws CONFLICT where a drain of that node would be dangerous, by what everybody says now. */
  refuseUnsafeDrain(id: string): Promise<void>;
  /** Answers the new leader's id. */
  transferLeadership(to: string | null, authorization: string | null): Promise<string>;
  /** Asks another member's API on behalf of the caller. */
  askMember(id: string, call: MemberCall): Promise<unknown>;
  /** Ends all threads of this node; starts them again, or ends the process. */
  end(how: 'restart' | 'stop'): void;
  /** Same answer on every node at the same revision. Throws NOT_FOUND for a listener that does not exist. */
  explain(request: ExplainRequest): object;
  /** What private keys are encrypted with before they are proposed. */
  readonly sealing: Sealing;
  /** The dashboard's files. */
  readonly pages: readonly StaticPage[];
  readonly watch: WatchHub;
}
