/**
 * A request head: request line (RFC 9112 §3), then the fields. Grammar and limits only; what the fields mean together is
 * `request-rules.ts`.
 */
import { METHOD_MAX_BYTES, TARGET_MAX_BYTES } from '../limits.ts';
import { BYTE_CLASS, CR, DIGIT, LF, SP, TARGET, TOKEN } from './bytes.ts';
import { FAULT } from './faults.ts';
import type { RequestHead } from './head.ts';
import { DONE, fail, needMore, parseFields, readableEnd } from './parse-fields.ts';
import type { ParseResult } from './parse-fields.ts';
import { applyRequestRules } from './request-rules.ts';

const VERSION = 'HTTP/1.1';

/** Goes on with whatever `head.feed` added. */
export function parseRequest(head: RequestHead): ParseResult {
  if (!head.startLineDone) {
    const result = parseRequestLine(head);
    if (result !== DONE) return result;
    head.startLineDone = true;
  }
  const result = parseFields(head, false);
  if (result !== DONE) return result;
  const fault = applyRequestRules(head);
  return fault === null ? DONE : fail(head, fault);
}

function parseRequestLine(head: RequestHead): ParseResult {
  const { raw } = head;
  // RFC 9112 §2.2: one empty line before the request is ignored; clients of old sent it after a body.
  if (head.startLine === 0 && head.at(0) === CR) {
    if (raw.length < 2) return needMore(head, 0);
    if (head.at(1) !== LF) return fail(head, FAULT.bareCr);
    head.startLine = 2;
  }
  const start = head.startLine;
  const end = readableEnd(head);
  let at = start;
  const isGet = raw.startsWith('GET ', start);
  if (isGet) at = start + 3;
  while (at < end && ((BYTE_CLASS[head.at(at)] as number) & TOKEN) !== 0) {
    if (at - start >= METHOD_MAX_BYTES) return fail(head, FAULT.methodTooLong);
    at++;
  }
  if (at >= end) return needMore(head, start);
  if (at === start || head.at(at) !== SP) return fail(head, FAULT.badMethod);
  head.method = isGet ? 'GET' : raw.slice(start, at);
  const targetStart = ++at;
  const targetLimit = targetStart + TARGET_MAX_BYTES;
  while (at < end && ((BYTE_CLASS[head.at(at)] as number) & TARGET) !== 0) {
    if (at >= targetLimit) return fail(head, FAULT.targetTooLong);
    at++;
  }
  if (at >= end) return needMore(head, start);
  if (at === targetStart) return fail(head, FAULT.badTarget);
  if (head.at(at) !== SP) {
    // `GET /\r\n` is HTTP/0.9; everything else here is a byte that no target has.
    return fail(head, head.at(at) === CR || head.at(at) === LF ? FAULT.badRequestLine : FAULT.badTarget);
  }
  head.target = raw.slice(targetStart, at);
  return parseVersion(head, at + 1, end);
}

function parseVersion(head: RequestHead, start: number, end: number): ParseResult {
  for (let index = 0; index < VERSION.length; index++) {
    if (start + index >= end) return needMore(head, head.startLine);
    const code = head.at(start + index);
    const isDigit = index === 5 || index === 7;
    if (isDigit ? ((BYTE_CLASS[code] as number) & DIGIT) === 0 : code !== VERSION.charCodeAt(index))
      return fail(head, FAULT.badRequestLine);
  }
  const lineEnd = start + VERSION.length;
  if (lineEnd + 1 >= end) {
    if (lineEnd < end && head.at(lineEnd) !== CR) return fail(head, lineFault(head, lineEnd));
    return needMore(head, head.startLine);
  }
  if (head.at(lineEnd) !== CR || head.at(lineEnd + 1) !== LF) return fail(head, lineFault(head, lineEnd));
  if (head.at(start + 5) !== 0x31) return fail(head, FAULT.version);
  head.minorVersion = head.at(start + 7) === 0x30 ? 0 : 1;
  head.position = lineEnd + 2;
  head.fieldsStart = lineEnd + 2;
  return DONE;
}

function lineFault(head: RequestHead, at: number) {
  const code = head.at(at);
  if (code === LF) return FAULT.bareLf;
  return code === CR ? FAULT.bareCr : FAULT.badRequestLine;
}
