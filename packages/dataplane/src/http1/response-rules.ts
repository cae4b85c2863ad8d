/**
 * What the fields of a response mean together (RFC 9112 §6.3). Whether there is a body at all also depends on the request
 * and is decided by `response-framing` of the upstream connection.
 */
import { FAULT } from './faults.ts';
import type { Fault } from './faults.ts';
import { readConnection, readContentLength, readTransferEncoding } from './framing-fields.ts';
import type { ResponseHead } from './head.ts';
import { FIELD } from './known-fields.ts';

export function applyResponseRules(head: ResponseHead): Fault | null {
  for (let index = 0; index < head.fieldCount; index++) {
    const id = head.ids[index] as number;
    if (id === FIELD.other) continue;
    let fault: Fault | null = null;
    if (id === FIELD.contentLength) fault = readContentLength(head, index);
    else if (id === FIELD.transferEncoding) fault = readTransferEncoding(head, index);
    else if (id === FIELD.connection) fault = readConnection(head, index);
    if (fault !== null) return fault;
  }
  if (!head.chunked) return null;
  if (head.contentLength !== -1) return FAULT.lengthAndTransferEncoding;
  // A sender of HTTP/1.0 does not know chunks: whatever it means, it is not what it says (RFC 9112 §6.1).
  if (head.minorVersion === 0) return FAULT.transferEncodingInHttp10;
  // 1xx and 204 have no body and may not promise one.
  if (head.status < 200 || head.status === 204) return FAULT.badTransferEncoding;
  return null;
}
