/**
 * Phase 2, match route: host, path, method and fields to one route, and from there to a pool or a redirect.
 */
import { FAULT } from '../http1/faults.ts';
import type { Exchange } from './exchange.ts';
import { faultReply } from './reply.ts';
import type { Reply } from './reply.ts';

export function matchRoute(exchange: Exchange): Reply | null {
  const { head, listener, engine } = exchange;
  const route = listener.matchHttp(exchange.hostName(), head.path, head.method, exchange.header);
  if (route === null) return faultReply(FAULT.noRoute);
  exchange.route = route;
  if (route.spec.action.type === 'redirect') return redirect(exchange, route.spec.action);
  exchange.pool = route.pool(engine.context.random);
  return exchange.pool === null ? faultReply(FAULT.noRoute) : null;
}

interface Redirect {
  readonly scheme: 'http' | 'https' | null;
  readonly host: string | null;
  readonly path: string | null;
  readonly status: number;
}

function redirect(exchange: Exchange, action: Redirect): Reply {
  const { head, client } = exchange;
  const scheme = action.scheme ?? client.scheme;
  // Another scheme means another port: the one that the client used is of no use there.
  const sameHost = action.scheme === null || action.scheme === client.scheme ? head.host : withoutPort(head.host);
  const location = `${scheme}://${action.host ?? sameHost}${action.path ?? (head.target === '*' ? '/' : head.target)}`;
  return { status: action.status, reason: '', fields: `Location: ${location}\r\n`, body: '' };
}

function withoutPort(host: string): string {
  const colon = host.lastIndexOf(':');
  return colon > host.lastIndexOf(']') ? host.slice(0, colon) : host;
}
