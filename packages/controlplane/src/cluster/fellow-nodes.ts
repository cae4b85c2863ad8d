/**
 * Questions to the other nodes' APIs on behalf of a caller, with the caller's token: one node, or all living ones at once.
 */
import { errorText, FlotillaError } from '@flotilla/shared';
import type { MemberCall, NodePortFault } from '../api/context.ts';
import { nodeCallTimeoutMs, portCheckTimeoutMs, servedListenersMax, servedSlackMs } from '../limits.ts';
import { parseHostPort } from './address-book.ts';
import type { ClusterHost } from './host.ts';
import { callNode } from './node-call.ts';
import type { NodeTls } from './node-tls.ts';
import type { ListenerPort, PortFault } from './port-check.ts';
import { type ServedAnswer, servedByOthers, type ServedQuestion } from './served.ts';

export interface FellowNodesOptions {
  readonly host: () => ClusterHost;
  readonly tls: () => NodeTls | null;
  /** Of this node. */
  readonly portFaults: (ports: readonly ListenerPort[]) => Promise<readonly PortFault[]>;
}

export class FellowNodes {
  readonly #options: FellowNodesOptions;

  constructor(options: FellowNodesOptions) {
    this.#options = options;
  }

  /** What that node answers; its error, where it is one. Throws UNREACHABLE where it does not answer. */
  async ask(id: string, call: MemberCall): Promise<unknown> {
    const { method, path, authorization, timeoutMs = nodeCallTimeoutMs } = call;
    const row = this.#options.host().state.members.get(id);
    if (row === undefined) throw new FlotillaError('NOT_FOUND', `${id} is not a member`);
    const api = parseHostPort(row.api);
    if (api === null) throw new FlotillaError('CONFLICT', `the address of ${id} is not known here yet`);
    const body = method === 'POST' ? {} : null;
    const tls = this.#options.tls();
    return callNode({ api, id, method, path, authorization, tls, body, timeoutMs }).catch((error: unknown) => {
      if (error instanceof FlotillaError) throw error;
      throw new FlotillaError('UNREACHABLE', `${id} at ${row.api} does not answer: ${errorText(error)}`);
    });
  }

  /** Of all living nodes, this one included. Who does not say in time is left out: it tells when it follows. */
  async portFaults(ports: readonly ListenerPort[], authorization: string | null): Promise<readonly NodePortFault[]> {
    const named = (node: string, faults: readonly PortFault[]) => faults.map((fault) => ({ ...fault, node }));
    const path = `/v1/ports?${ports.map(({ port, udp }) => `${udp ? 'udp' : 'tcp'}=${port}`).join('&')}`;
    const call = { method: 'GET', path, authorization, timeoutMs: portCheckTimeoutMs } as const;
    const host = this.#options.host();
    const asked = livingOthers(host).map(async (id) => {
      const answer = await this.ask(id, call).catch(() => ({ items: [] }));
      return named(id, (answer as { readonly items: readonly PortFault[] }).items);
    });
    const own = this.#options.portFaults(ports).then((faults) => named(host.nodeId, faults));
    return (await Promise.all([own, ...asked])).flat();
  }

  /** Whether the others serve it. */
  served(question: ServedQuestion, authorization: string | null): Promise<ServedAnswer[]> {
    const { revision, listeners, timeoutMs: withinMs } = question;
    const host = this.#options.host();
    const isMany = listeners.length > servedListenersMax;
    const named = isMany ? '&allListeners=true' : listeners.map((name) => `&listener=${name}`).join('');
    const ask = (id: string, timeoutMs: number) => {
      const path = `/v1/served?revision=${revision}&timeoutMs=${timeoutMs}${named}`;
      const call = { method: 'GET', path, authorization, timeoutMs: timeoutMs + servedSlackMs } as const;
      return this.ask(id, call) as Promise<ServedAnswer>;
    };
    const isAlive = (id: string) => host.state.members.get(id)?.alive === true;
    return servedByOthers({ others: livingOthers(host), ask, isAlive }, performance.now() + withinMs);
  }
}

function livingOthers({ state, nodeId }: ClusterHost): string[] {
  return [...state.members.entries()].filter(([id, { alive }]) => alive && id !== nodeId).map(([id]) => id);
}
