/**
 * Phase 4, forward: the request as the backend gets it. Written anew around the lines that are passed on as they are.
 */
import { copyFields, droppedNames, fieldMask, HOP_BY_HOP } from '../http1/copy-fields.ts';
import { FIELD } from '../http1/known-fields.ts';
import type { ClientSide } from './client.ts';
import type { Exchange } from './exchange.ts';
import { rewriteTarget, routeEdits } from './route-edits.ts';
import { TRACE_FIELDS } from './trace-context.ts';

const FORWARDING = [
  FIELD.forwardedFor,
  FIELD.forwardedProto,
  FIELD.forwardedHost,
  FIELD.forwardedOther,
  FIELD.requestId,
] as const;
/** From anyone: whatever it says about where it comes from is a claim. */
const UNTRUSTED_MASK = fieldMask(...HOP_BY_HOP, ...FORWARDING);
/** From a trusted proxy: X-Forwarded-For is continued, the others are kept where they are there. */
const TRUSTED_MASK = fieldMask(...HOP_BY_HOP, FIELD.forwardedFor);

/** Head of the request with its empty line, Latin-1. Called again for each try. */
export function requestHeadText(exchange: Exchange): string {
  const { head, route, engine } = exchange;
  if (route === null) return '';
  exchange.noteSent();
  const edits = routeEdits(route.spec);
  const { rewrite } = route.spec;
  const mask = exchange.trusted ? TRUSTED_MASK : UNTRUSTED_MASK;
  let names = droppedNames(head, edits.request.drop);
  if (exchange.traceLine !== '') names = [...names, ...TRACE_FIELDS];
  let text: string;
  if (rewrite.host === null && rewrite.pathPrefix === null && isPlain(exchange)) {
    text = copyFields(head, head.startLine, mask, names);
  } else text = rewritten(exchange, mask, names);
  if (exchange.forwardingLines === '') exchange.forwardingLines = forwardingLines(exchange);
  text += exchange.forwardingLines + exchange.traceLine + edits.request.add;
  if (head.chunked) text += 'Transfer-Encoding: chunked\r\n';
  if (exchange.upgradeRequested) text += `Connection: Upgrade\r\nUpgrade: ${head.field('upgrade')}\r\n`;
  return text + (head.minorVersion === 0 ? engine.via10 : engine.via11) + '\r\n';
}

/** Request line and Host can be passed on as they stand. */
function isPlain(exchange: Exchange): boolean {
  const { head } = exchange;
  return (
    head.minorVersion === 1 &&
    head.targetAsSent &&
    head.hostAsSent &&
    head.maxForwards === -1 &&
    head.raw.charCodeAt(head.fieldsStart - 3) === 0x31
  );
}

function rewritten(exchange: Exchange, mask: Uint8Array, names: readonly string[]): string {
  const { head, route, backend } = exchange;
  if (route === null || backend === null) return '';
  const host = route.spec.rewrite.host ?? (head.host === '' ? `${bracketed(backend.host)}:${backend.port}` : head.host);
  const target = rewriteTarget(route.spec, head.target);
  const own = mask.slice();
  own[FIELD.host] = 1;
  // An expectation in HTTP/1.0 means nothing (RFC 9110 §10.1.1) and would in HTTP/1.1.
  if (head.minorVersion === 0) own[FIELD.expect] = 1;
  let text = `${head.method} ${target} HTTP/1.1\r\nHost: ${host}\r\n`;
  if (head.maxForwards > 0) {
    own[FIELD.maxForwards] = 1;
    text += `Max-Forwards: ${head.maxForwards - 1}\r\n`;
  }
  return text + copyFields(head, head.fieldsStart, own, names);
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** What every request of a connection says about its client as long as it names the same host, up to the value of X-Request-Id. */
function peerLines(client: ClientSide, host: string): string {
  const forwardedHost = host === '' ? '' : `X-Forwarded-Host: ${host}\r\n`;
  const from = `X-Forwarded-For: ${client.remoteAddress}\r\nX-Forwarded-Proto: ${client.scheme}\r\n`;
  return `${from}${forwardedHost}${client.certificateField}X-Request-Id: `;
}

function forwardingLines(exchange: Exchange): string {
  const { head, client, engine } = exchange;
  const peer = client.remoteAddress;
  if (!exchange.trusted) {
    exchange.requestId = engine.nextRequestId();
    if (exchange.peerLines === '' || exchange.peerLinesHost !== head.host) {
      exchange.peerLinesHost = head.host;
      exchange.peerLines = peerLines(client, head.host);
    }
    return `${exchange.peerLines}${exchange.requestId}\r\n`;
  }
  const before = head.field('x-forwarded-for');
  let lines = `X-Forwarded-For: ${before === undefined || before === '' ? '' : `${before}, `}${peer}\r\n`;
  if (head.indexOf(FIELD.forwardedProto) < 0) lines += `X-Forwarded-Proto: ${client.scheme}\r\n`;
  if (head.indexOf(FIELD.forwardedHost) < 0 && head.host !== '') lines += `X-Forwarded-Host: ${head.host}\r\n`;
  const id = head.indexOf(FIELD.requestId);
  exchange.requestId = id < 0 ? engine.nextRequestId() : head.value(id);
  if (id < 0) lines += `X-Request-Id: ${exchange.requestId}\r\n`;
  return lines + client.certificateField;
}
