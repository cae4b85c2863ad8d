/**
 * A response head: status line (RFC 9112 §4), then the fields, then what they mean for the body's framing.
 */
import { BYTE_CLASS, CR, DIGIT, LF, SP, VALUE } from './bytes.ts';
import { FAULT } from './faults.ts';
import type { ResponseHead } from './head.ts';
import { DONE, fail, needMore, parseFields, readableEnd } from './parse-fields.ts';
import type { ParseResult } from './parse-fields.ts';
import { applyResponseRules } from './response-rules.ts';

const VERSION = 'HTTP/1.';

export function parseResponse(head: ResponseHead): ParseResult {
  if (!head.startLineDone) {
    const result = parseStatusLine(head);
    if (result !== DONE) return result;
    head.startLineDone = true;
  }
  const result = parseFields(head, true);
  if (result !== DONE) return result;
  const fault = applyResponseRules(head);
  return fault === null ? DONE : fail(head, fault);
}

function parseStatusLine(head: ResponseHead): ParseResult {
  const end = readableEnd(head);
  for (let index = 0; index < VERSION.length; index++) {
    if (index >= end) return needMore(head, 0);
    if (head.at(index) !== VERSION.charCodeAt(index)) return fail(head, FAULT.badStatusLine);
  }
  // `HTTP/1.x nnn`, then a space and a reason that may be empty; some servers leave out even the space.
  let status = 0;
  for (let index = 7; index < 12; index++) {
    if (index >= end) return needMore(head, 0);
    const code = head.at(index);
    if (index === 8) {
      if (code !== SP) return fail(head, FAULT.badStatusLine);
    } else {
      if (((BYTE_CLASS[code] as number) & DIGIT) === 0) return fail(head, FAULT.badStatusLine);
      if (index > 8) status = status * 10 + code - 0x30;
    }
  }
  if (status < 100 || status > 599) return fail(head, FAULT.badStatusLine);
  let at = 12;
  if (at >= end) return needMore(head, 0);
  if (head.at(at) === SP) while (at < end && ((BYTE_CLASS[head.at(at)] as number) & VALUE) !== 0) at++;
  if (at >= end) return needMore(head, 0);
  if (head.at(at) !== CR) return fail(head, FAULT.badStatusLine);
  if (at + 1 >= end) return needMore(head, 0);
  if (head.at(at + 1) !== LF) return fail(head, FAULT.bareCr);
  head.status = status;
  head.minorVersion = head.at(7) === 0x30 ? 0 : 1;
  head.position = at + 2;
  head.fieldsStart = at + 2;
  return DONE;
}
