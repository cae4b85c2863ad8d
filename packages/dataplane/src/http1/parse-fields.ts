/**
 * Field lines, from the first to the empty line that ends a head. Used for requests, responses and trailers.
 *
 * Incremental by line: what is incomplete is read again from its line's start when more bytes are there. Every decision
 * depends on bytes and their positions only, never on how they were split, so any split gives the same message.
 */
import { FIELDS_MAX_COUNT, HEAD_MAX_BYTES } from '../limits.ts';
import { BYTE_CLASS, COLON, CR, DEL, HTAB, LF, SP, TOKEN } from './bytes.ts';
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
  const end = readableEnd(head);
  for (;;) {
    const start = head.position;
    if (start >= end) return needMore(head, start);
    if (head.at(start) === CR) {
      if (start + 1 >= end) return needMore(head, start);
      if (head.at(start + 1) !== LF) return fail(head, FAULT.bareCr);
      head.fieldsEnd = start;
      head.nameStart[head.fieldCount] = start;
      head.end = start + 2;
      return DONE;
    }
    const result = parseLine(head, start, end, lenientColon);
    if (result !== DONE) return result;
  }
}

/** Positions in here are of `bytes`; the head keeps those of `raw`. */
function parseLine(head: MessageHead, lineStart: number, readable: number, lenientColon: boolean): ParseResult {
  const { bytes, base } = head;
  const start = base + lineStart;
  const end = base + readable;
  let at = start;
  while (at < end && ((BYTE_CLASS[bytes[at] as number] as number) & TOKEN) !== 0) at++;
  if (at >= end) return needMore(head, lineStart);
  const nameEnd = at;
  if (bytes[at] !== COLON) {
    if (nameEnd > start && lenientColon) while (at < end && isBlank(bytes[at] as number)) at++;
    if (at >= end) return needMore(head, lineStart);
    if (bytes[at] !== COLON || nameEnd === start) return fail(head, nameFault(bytes[nameEnd], nameEnd === start));
  } else if (nameEnd === start) {
    return fail(head, FAULT.badHeaderName);
  }
  const colon = at++;
  while (at < end && isBlank(bytes[at] as number)) at++;
  const valueStart = at;
  while (at < end && isValueByte(bytes[at] as number)) at++;
  if (at >= end) return needMore(head, lineStart);
  const stop = bytes[at];
  if (stop !== CR) return fail(head, stop === LF ? FAULT.bareLf : FAULT.badHeaderValue);
  if (at + 1 >= end) return needMore(head, lineStart);
  if (bytes[at + 1] !== LF) return fail(head, FAULT.bareCr);
  let valueEnd = at;
  while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1] as number)) valueEnd--;
  const index = head.fieldCount;
  if (index >= FIELDS_MAX_COUNT) return fail(head, FAULT.tooManyFields);
  head.fieldCount = index + 1;
  head.ids[index] = fieldId(bytes, start, nameEnd);
  head.nameStart[index] = lineStart;
  head.nameEnd[index] = nameEnd - base;
  head.valueStart[index] = valueStart - base;
  head.valueEnd[index] = valueEnd - base;
  const plain = colon === nameEnd && valueStart === colon + 2 && valueEnd === at && bytes[colon + 1] === SP;
  head.canonical[index] = plain ? 1 : 0;
  head.position = at + 2 - base;
  return DONE;
}

/** The class VALUE of the table, without the table: most bytes of a head are looked at here. */
function isValueByte(code: number): boolean {
  return code >= SP ? code !== DEL : code === HTAB;
}

function isBlank(code: number): boolean {
  return code === SP || code === HTAB;
}

function nameFault(code: number | undefined, isEmpty: boolean): Fault {
  if (code === LF) return FAULT.bareLf;
  if (code === undefined || !isBlank(code)) return FAULT.badHeaderName;
  return isEmpty ? FAULT.obsFold : FAULT.spaceBeforeColon;
}
