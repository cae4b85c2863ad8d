/**
 * Field lines, from the first to the empty line that ends a head. Used for requests, responses and trailers.
 *
 * Incremental by line: what is incomplete is read again from its line's start when more bytes are there. Every decision
 * depends on bytes and their positions only, never on how they were split, so any split gives the same message.
 */
import { FIELDS_MAX_COUNT, HEAD_MAX_BYTES } from '../limits.ts';
import { BYTE_CLASS, COLON, CR, HTAB, LF, SP, TOKEN, VALUE } from './bytes.ts';
import { FAULT } from './faults.ts';
import type { Fault } from './faults.ts';
import type { MessageHead } from './head.ts';
import { fieldId } from './known-fields.ts';

export const MORE = 0;
export const DONE = 1;
export const FAILED = 2;
export type ParseResult = typeof MORE | typeof DONE | typeof FAILED;

export function fail(head: MessageHead, fault: Fault): typeof FAILED {
  head.fault = fault;
  return FAILED;
}

/** Bytes that may be looked at: nothing past the limit decides anything. */
export function readableEnd(head: MessageHead): number {
  return Math.min(head.raw.length, head.startLine + HEAD_MAX_BYTES);
}

/** What `MORE` means once the limit is reached. */
export function needMore(head: MessageHead, position: number): ParseResult {
  head.position = position;
  return head.raw.length >= head.startLine + HEAD_MAX_BYTES ? fail(head, FAULT.headTooLarge) : MORE;
}

/** `lenientColon`: space before the colon is stripped (RFC 9112 §5.1: responses) rather than refused. */
export function parseFields(head: MessageHead, lenientColon: boolean): ParseResult {
  const { raw } = head;
  const end = readableEnd(head);
  for (;;) {
    const start = head.position;
    if (start >= end) return needMore(head, start);
    const first = raw.charCodeAt(start);
    if (first === CR) {
      if (start + 1 >= end) return needMore(head, start);
      if (raw.charCodeAt(start + 1) !== LF) return fail(head, FAULT.bareCr);
      head.fieldsEnd = start;
      head.nameStart[head.fieldCount] = start;
      head.end = start + 2;
      return DONE;
    }
    const result = parseLine(head, start, end, lenientColon);
    if (result !== DONE) return result;
  }
}

function parseLine(head: MessageHead, start: number, end: number, lenientColon: boolean): ParseResult {
  const { raw } = head;
  let at = start;
  while (at < end && ((BYTE_CLASS[raw.charCodeAt(at)] as number) & TOKEN) !== 0) at++;
  if (at >= end) return needMore(head, start);
  const nameEnd = at;
  if (raw.charCodeAt(at) !== COLON) {
    if (nameEnd > start && lenientColon) while (at < end && isBlank(raw.charCodeAt(at))) at++;
    if (at >= end) return needMore(head, start);
    if (raw.charCodeAt(at) !== COLON || nameEnd === start) return fail(head, nameFault(raw, start, nameEnd));
  } else if (nameEnd === start) {
    return fail(head, FAULT.badHeaderName);
  }
  const colon = at++;
  while (at < end && isBlank(raw.charCodeAt(at))) at++;
  const valueStart = at;
  while (at < end && ((BYTE_CLASS[raw.charCodeAt(at)] as number) & VALUE) !== 0) at++;
  if (at >= end) return needMore(head, start);
  const stop = raw.charCodeAt(at);
  if (stop !== CR) return fail(head, stop === LF ? FAULT.bareLf : FAULT.badHeaderValue);
  if (at + 1 >= end) return needMore(head, start);
  if (raw.charCodeAt(at + 1) !== LF) return fail(head, FAULT.bareCr);
  let valueEnd = at;
  while (valueEnd > valueStart && isBlank(raw.charCodeAt(valueEnd - 1))) valueEnd--;
  const index = head.fieldCount;
  if (index >= FIELDS_MAX_COUNT) return fail(head, FAULT.tooManyFields);
  head.fieldCount = index + 1;
  head.ids[index] = fieldId(raw, start, nameEnd);
  head.nameStart[index] = start;
  head.nameEnd[index] = nameEnd;
  head.valueStart[index] = valueStart;
  head.valueEnd[index] = valueEnd;
  const plain = colon === nameEnd && valueStart === colon + 2 && valueEnd === at && raw.charCodeAt(colon + 1) === SP;
  head.canonical[index] = plain ? 1 : 0;
  head.position = at + 2;
  return DONE;
}

function isBlank(code: number): boolean {
  return code === SP || code === HTAB;
}

function nameFault(raw: string, start: number, nameEnd: number): Fault {
  const code = raw.charCodeAt(nameEnd);
  if (code === LF) return FAULT.bareLf;
  if (!isBlank(code)) return FAULT.badHeaderName;
  return nameEnd === start ? FAULT.obsFold : FAULT.spaceBeforeColon;
}
