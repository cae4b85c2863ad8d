/**
 * The fields that decide where a message ends, the same for both directions: Content-Length, Transfer-Encoding, Connection.
 */
import { CONTENT_LENGTH_MAX_DIGITS } from '../limits.ts';
import { BYTE_CLASS, DIGIT, equalsIgnoreCase } from './bytes.ts';
import { FAULT } from './faults.ts';
import type { Fault } from './faults.ts';
import { tokenList } from './field-lists.ts';
import type { MessageHead } from './head.ts';

const KNOWN_CODINGS = ['gzip', 'x-gzip', 'deflate', 'compress', 'x-compress', 'identity'];

/** One line only, digits only: `42, 42`, `+42`, `0x2a` and a second line are all refused. */
export function readContentLength(head: MessageHead, index: number): Fault | null {
  if (head.contentLength !== -1) return FAULT.duplicateContentLength;
  const start = head.valueStart[index] as number;
  const end = head.valueEnd[index] as number;
  if (end === start || end - start > CONTENT_LENGTH_MAX_DIGITS) return FAULT.badContentLength;
  let length = 0;
  for (let at = start; at < end; at++) {
    const code = head.raw.charCodeAt(at);
    if (((BYTE_CLASS[code] as number) & DIGIT) === 0) return FAULT.badContentLength;
    length = length * 10 + code - 0x30;
  }
  head.contentLength = length;
  // `007` is a length, but not one that every parser reads the same way.
  if (head.raw.charCodeAt(start) === 0x30 && end - start > 1) return FAULT.badContentLength;
  return null;
}

/** `chunked`, alone and once, is the only coding that we speak. */
export function readTransferEncoding(head: MessageHead, index: number): Fault | null {
  if (head.chunked) return FAULT.badTransferEncoding;
  if (equalsIgnoreCase(head.raw, head.valueStart[index] as number, head.valueEnd[index] as number, 'chunked')) {
    head.chunked = true;
    return null;
  }
  const codings = tokenList(head.value(index));
  if (codings === null || codings.length === 0) return FAULT.badTransferEncoding;
  if (codings.indexOf('chunked') !== codings.length - 1 && codings.includes('chunked'))
    return FAULT.badTransferEncoding;
  const others = codings.filter((coding) => coding !== 'chunked');
  if (others.length === 0) return FAULT.badTransferEncoding;
  if (!others.every((coding) => KNOWN_CODINGS.includes(coding))) return FAULT.unknownTransferCoding;
  return codings.includes('chunked') ? FAULT.unknownTransferCoding : FAULT.badTransferEncoding;
}

export function readConnection(head: MessageHead, index: number): Fault | null {
  const start = head.valueStart[index] as number;
  const end = head.valueEnd[index] as number;
  // The three that nearly every message has, without an array.
  if (equalsIgnoreCase(head.raw, start, end, 'keep-alive')) head.connectionKeepAlive = true;
  else if (equalsIgnoreCase(head.raw, start, end, 'close')) head.connectionClose = true;
  else if (equalsIgnoreCase(head.raw, start, end, 'upgrade')) head.connectionUpgrade = true;
  else {
    const names = tokenList(head.value(index));
    if (names === null) return FAULT.badConnection;
    for (const name of names) {
      if (name === 'keep-alive') head.connectionKeepAlive = true;
      else if (name === 'close') head.connectionClose = true;
      else if (name === 'upgrade') head.connectionUpgrade = true;
      else (head.connectionNames ??= []).push(name);
    }
  }
  return null;
}
