/**
 * W3C trace context (https://www.w3.org/TR/trace-context/): one that a request brings is passed on untouched, and where the listener
 * says so one is started for requests without. Nothing is recorded here; the access log carries the trace's id.
 */
import { randomBytes } from 'node:crypto';
import type { Exchange } from './exchange.ts';

/** `vv-<32 hex>-<16 hex>-ff`, of which later versions may go on after another dash. */
const LENGTH = 55;
const TRACE_ID_AT = 3;
const TRACE_ID_LENGTH = 32;
const DASHES = [2, 35, 52];
const PARENT_ID_AT = 36;
const DASH = 0x2d;
const SAMPLED = '01';

/** What is wrong or foreign is dropped where a trace is started: half a context would tie it to another trace. */
export const TRACE_FIELDS = ['traceparent', 'tracestate'] as const;

/** Field line of a trace that begins here, '' where the request has one or its share is used up. */
export function startTrace(exchange: Exchange): string {
  const { startRatio } = exchange.listener.spec.traceContext;
  if (startRatio === 0 || traceIdOf(exchange.head.field('traceparent')) !== '') return '';
  if (startRatio < 1 && exchange.engine.context.random() >= startRatio) return '';
  const ids = randomBytes(24).toString('hex');
  return `traceparent: 00-${ids.slice(0, TRACE_ID_LENGTH)}-${ids.slice(TRACE_ID_LENGTH)}-${SAMPLED}\r\n`;
}

/** Id of the trace that a request belongs to, as its line of the access log has it; '' without one. */
export function traceId(exchange: Exchange): string {
  const { traceLine, head } = exchange;
  return traceIdOf(traceLine === '' ? head.field('traceparent') : traceLine.slice(TRACE_FIELDS[0].length + 2, -2));
}

/** '' for what is no traceparent of version 00, nor one that a reader of version 00 may use. */
export function traceIdOf(traceparent: string | undefined): string {
  if (traceparent === undefined || traceparent.length < LENGTH) return '';
  const isVersion00 = traceparent.startsWith('00');
  if (traceparent.length > LENGTH && (isVersion00 || traceparent.charCodeAt(LENGTH) !== DASH)) return '';
  for (let at = 0; at < LENGTH; at++) {
    const code = traceparent.charCodeAt(at);
    const isHex = (code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66);
    if (DASHES.includes(at) ? code !== DASH : !isHex) return '';
  }
  if (traceparent.startsWith('ff')) return '';
  const id = traceparent.slice(TRACE_ID_AT, TRACE_ID_AT + TRACE_ID_LENGTH);
  const parent = traceparent.slice(PARENT_ID_AT, DASHES[2]);
  return isZero(id) || isZero(parent) ? '' : id;
}

function isZero(digits: string): boolean {
  for (let at = 0; at < digits.length; at++) if (digits.charCodeAt(at) !== 0x30) return false;
  return true;
}
