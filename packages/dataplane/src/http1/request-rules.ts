/**
 * What the fields of a request mean together (RFC 9112 §3.2, §6): one length, one host, one target form, or no request.
 *
 * Each rule refuses where parsers have disagreed; nothing is repaired, because a repaired message is a guess.
 */
import { equalsIgnoreCase, QUESTION, SLASH } from './bytes.ts';
import { FAULT } from './faults.ts';
import type { Fault } from './faults.ts';
import { readConnection, readContentLength, readTransferEncoding } from './framing-fields.ts';
import type { RequestHead } from './head.ts';
import { isValidHost } from './host.ts';
import { FIELD } from './known-fields.ts';

export function applyRequestRules(head: RequestHead): Fault | null {
  let hosts = 0;
  for (let index = 0; index < head.fieldCount; index++) {
    const id = head.ids[index] as number;
    if (id === FIELD.other) continue;
    let fault: Fault | null = null;
    if (id === FIELD.host) {
      if (++hosts > 1) return FAULT.badHost;
      if (!readHost(head, index)) return FAULT.badHost;
    } else if (id === FIELD.contentLength) fault = readContentLength(head, index);
    else if (id === FIELD.transferEncoding) fault = readTransferEncoding(head, index);
    else if (id === FIELD.connection) fault = readConnection(head, index);
    else if (id === FIELD.expect) fault = readExpect(head, index);
    else if (id === FIELD.maxForwards) fault = readMaxForwards(head, index);
    if (fault !== null) return fault;
  }
  if (hosts === 0) {
    if (head.minorVersion > 0) return FAULT.badHost;
    head.host = '';
  }
  return framing(head) ?? target(head);
}

const KNOWN_HOST_MAX_BYTES = 256;
/** The host of the request before, valid: nearly always that of the next, which then gets the same string and compares for free. */
let knownHost = '';
const knownHostBytes = new Uint8Array(KNOWN_HOST_MAX_BYTES);

function readHost(head: RequestHead, index: number): boolean {
  const start = head.valueStart[index] as number;
  if (isKnownHost(head, start, head.valueEnd[index] as number)) {
    head.host = knownHost;
    return true;
  }
  const host = head.value(index);
  head.host = host;
  if (!isValidHost(host)) return false;
  if (host.length > KNOWN_HOST_MAX_BYTES) return true;
  knownHost = host;
  for (let at = 0; at < host.length; at++) knownHostBytes[at] = head.at(start + at);
  return true;
}

function isKnownHost(head: RequestHead, start: number, end: number): boolean {
  if (end - start !== knownHost.length || knownHost === '') return false;
  for (let at = 0; at < knownHost.length; at++) if (head.at(start + at) !== knownHostBytes[at]) return false;
  return true;
}

function framing(head: RequestHead): Fault | null {
  if (head.chunked) {
    if (head.contentLength !== -1) return FAULT.lengthAndTransferEncoding;
    if (head.minorVersion === 0) return FAULT.transferEncodingInHttp10;
  }
  if (head.method === 'TRACE' && (head.chunked || head.contentLength > 0)) return FAULT.traceWithBody;
  return null;
}

function readExpect(head: RequestHead, index: number): Fault | null {
  // RFC 9110 §10.1.1: an expectation in HTTP/1.0 is ignored; one that we do not know cannot be met.
  if (head.minorVersion === 0) return null;
  if (!equalsIgnoreCase(head.raw, head.valueStart[index] as number, head.valueEnd[index] as number, '100-continue'))
    return FAULT.expectation;
  head.expectContinue = true;
  return null;
}

function readMaxForwards(head: RequestHead, index: number): Fault | null {
  if (head.method !== 'TRACE' && head.method !== 'OPTIONS') return null;
  const value = head.value(index);
  if (head.maxForwards !== -1 || value === '' || value.length > 9) return FAULT.badMaxForwards;
  let count = 0;
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at);
    if (code < 0x30 || code > 0x39) return FAULT.badMaxForwards;
    count = count * 10 + code - 0x30;
  }
  head.maxForwards = count;
  return null;
}

function target(head: RequestHead): Fault | null {
  // Refused before its authority-form is looked at: a balancer that opened tunnels would be an open proxy.
  if (head.method === 'CONNECT') return FAULT.connectUnsupported;
  // The first line of HTTP/2 in the form of a request: no client means it as one (RFC 9113 §11.6).
  if (head.method === 'PRI') return FAULT.badMethod;
  if (head.target.charCodeAt(0) !== SLASH) {
    if (head.target === '*') {
      if (head.method !== 'OPTIONS') return FAULT.badTarget;
    } else {
      const fault = absoluteForm(head);
      if (fault !== null) return fault;
    }
  }
  const question = head.target.indexOf('?');
  head.path = question < 0 ? head.target : head.target.slice(0, question);
  head.query = question < 0 ? '' : head.target.slice(question + 1);
  return null;
}

/** RFC 9112 §3.2.2: the target's authority replaces Host, and goes on as origin-form. */
function absoluteForm(head: RequestHead): Fault | null {
  const text = head.target;
  let start = 0;
  if (equalsIgnoreCase(text, 0, Math.min(7, text.length), 'http://')) start = 7;
  else if (equalsIgnoreCase(text, 0, Math.min(8, text.length), 'https://')) start = 8;
  else return FAULT.badTarget;
  let end = start;
  while (end < text.length && text.charCodeAt(end) !== SLASH && text.charCodeAt(end) !== QUESTION) end++;
  const host = text.slice(start, end);
  if (!isValidHost(host)) return FAULT.badTarget;
  head.hostAsSent = head.host === host;
  head.host = host;
  head.targetAsSent = false;
  const rest = text.slice(end);
  if (rest === '') head.target = head.method === 'OPTIONS' ? '*' : '/';
  else head.target = rest.charCodeAt(0) === SLASH ? rest : `/${rest}`;
  return null;
}
