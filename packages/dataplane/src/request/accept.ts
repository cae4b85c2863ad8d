/**
 * Phase 1, accept: may this request be served at all, who sent it, and what is believed of what it says about itself.
 */
import { canonicalAddress } from '../config/address.ts';
import { FAULT } from '../http1/faults.ts';
import type { RequestHead } from '../http1/head.ts';
import { trimBlanks } from '../http1/field-lists.ts';
import { FIELD } from '../http1/known-fields.ts';
import { LOOP_MAX_HOPS } from '../limits.ts';
import type { Exchange } from './exchange.ts';
import { faultReply } from './reply.ts';
import type { Reply } from './reply.ts';
import { startTrace } from './trace-context.ts';
import { mayUpgrade } from './upgrade.ts';

const ALLOW = 'Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE\r\n';
/** Not shown to whoever asks for a trace: RFC 9110 §9.3.8. */
const PRIVATE_FIELDS = ['authorization', 'cookie', 'proxy-authorization'];

export function accept(exchange: Exchange): Reply | null {
  const { head, listener, client, engine } = exchange;
  const shedRatio = engine.context.shedRatio();
  if (shedRatio > 0 && engine.context.random() < shedRatio) return faultReply(FAULT.overload);
  const { maxRequestBodyBytes } = listener.spec;
  if (maxRequestBodyBytes > 0 && head.contentLength > maxRequestBodyBytes) return faultReply(FAULT.bodyTooLarge);
  exchange.trusted = listener.trustsProxy(client.remoteAddress);
  exchange.clientIp = client.remoteAddress;
  if (exchange.trusted) believe(exchange);
  if (head.maxForwards === 0) return endOfForwarding(head);
  if (loops(exchange)) return faultReply(FAULT.loop);
  exchange.traceLine = startTrace(exchange);
  // A tunnel begins where the request ends: one with a body keeps to HTTP.
  exchange.upgradeRequested = exchange.requestDone && mayUpgrade(head);
  return null;
}

/** The client behind trusted proxies: the last address in X-Forwarded-For that is not itself trusted. */
function believe(exchange: Exchange): void {
  const forwardedFor = exchange.head.field('x-forwarded-for');
  if (forwardedFor === undefined) return;
  const addresses = forwardedFor.split(',');
  for (let at = addresses.length - 1; at >= 0; at--) {
    const address = canonicalAddress(withoutPort(trimBlanks(addresses[at] as string)));
    if (address === '') continue;
    exchange.clientIp = address;
    if (!exchange.listener.trustsProxy(address)) return;
  }
}

/** Some proxies write `192.0.2.1:4711` and `[2001:db8::1]:4711`, another port for each connection of a client. */
function withoutPort(text: string): string {
  const bracket = text.startsWith('[') ? text.indexOf(']') : -1;
  if (bracket > 0) return text.slice(1, bracket);
  const colon = text.indexOf(':');
  return colon > 0 && colon === text.lastIndexOf(':') ? text.slice(0, colon) : text;
}

/** RFC 9110 §7.6.2: who may not forward answers itself. */
function endOfForwarding(head: RequestHead): Reply {
  if (head.method === 'OPTIONS') return { status: 200, reason: '', fields: ALLOW, body: '' };
  let body = `${head.method} ${head.target} HTTP/1.${head.minorVersion}\r\n`;
  for (let index = 0; index < head.fieldCount; index++) {
    if (PRIVATE_FIELDS.some((name) => head.isNamed(index, name))) continue;
    body += `${head.name(index)}: ${head.value(index)}\r\n`;
  }
  return { status: 200, reason: '', fields: 'Content-Type: message/http\r\n', body: `${body}\r\n` };
}

/** RFC 9110 §7.6.3: our name in Via more often than any sane chain of ours is long. */
function loops(exchange: Exchange): boolean {
  const { head, engine } = exchange;
  if (head.indexOf(FIELD.via) < 0) return false;
  let hops = 0;
  for (const entry of (head.field('via') ?? '').split(',')) {
    const [, name] = trimBlanks(entry).split(' ');
    if (name === engine.viaName) hops++;
  }
  return hops >= LOOP_MAX_HOPS;
}
