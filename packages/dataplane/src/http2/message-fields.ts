/**
 * Heads of HTTP/1.1 as fields of HTTP/2 (RFC 9113 §8.2): lower-case names, nothing of a connection, pseudo-fields first.
 */
import { HOP_BY_HOP } from '../http1/copy-fields.ts';
import { MessageHead } from '../http1/head.ts';
import type { RequestHead, ResponseHead } from '../http1/head.ts';
import { FIELD } from '../http1/known-fields.ts';
import { DONE, parseFields } from '../http1/parse-fields.ts';

/** Indexed by field id: those that HTTP/2 has no place for. */
const DROPPED = new Uint8Array(32);
for (const id of HOP_BY_HOP) DROPPED[id] = 1;

export function responseFields(head: ResponseHead, status: number): string[] {
  const fields = [':status', String(status)];
  copyInto(fields, head, false);
  return fields;
}

export function requestFields(head: RequestHead, scheme: 'http' | 'https'): string[] {
  const { method, target, host } = head;
  const fields = [':method', method, ':scheme', scheme, ':authority', host, ':path', target];
  copyInto(fields, head, true);
  // We pass trailers on, and servers of gRPC insist on being told.
  if (head.field('content-type')?.startsWith('application/grpc') === true) fields.push('te', 'trailers');
  return fields;
}

/** Of trailer lines that end with an empty line. */
export function trailerFields(text: string): string[] {
  const lines = new MessageHead();
  lines.feedText(text);
  const fields: string[] = [];
  if (parseFields(lines, false) === DONE) copyInto(fields, lines, true);
  return fields;
}

function copyInto(fields: string[], head: MessageHead, dropsHost: boolean): void {
  for (let index = 0; index < head.fieldCount; index++) {
    const id = head.ids[index] as number;
    if (DROPPED[id] === 1 || (dropsHost && id === FIELD.host)) continue;
    fields.push(lowerName(head.name(index)), head.value(index));
  }
}

/** Names are few: each is turned into lower case once. */
const lowerNames = new Map<string, string>();
const LOWER_NAMES_MAX_COUNT = 1_024;

function lowerName(name: string): string {
  let lower = lowerNames.get(name);
  if (lower === undefined) {
    lower = name.toLowerCase();
    if (lowerNames.size < LOWER_NAMES_MAX_COUNT) lowerNames.set(name, lower);
  }
  return lower;
}
