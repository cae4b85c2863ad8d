/**
 * The text that a hashing pool hashes: from the source address, the path, a header, a cookie or a query parameter.
 *
 * Where the request does not have it, the source address stands in: still the same answer on every node.
 */
import type { HashSource } from '@flotilla/shared';

export interface HashableRequest {
  readonly clientIp: string;
  readonly path: string;
  readonly query: string;
  header(lowerName: string): string | undefined;
}

export function hashKey(source: HashSource, request: HashableRequest): string {
  switch (source.on) {
    case 'source-ip':
      return request.clientIp;
    case 'path':
      return request.path;
    case 'header':
      return request.header(source.name.toLowerCase()) ?? request.clientIp;
    case 'cookie':
      return cookieValue(request.header('cookie'), source.name) ?? request.clientIp;
    case 'query':
      return queryValue(request.query, source.name) ?? request.clientIp;
  }
}

/** The first cookie of that name, as sent. */
export function cookieValue(header: string | undefined, name: string): string | null {
  return header === undefined ? null : pairValue(header, ';', name);
}

/** The first parameter of that name, as sent: not decoded, because two spellings need not be one key. */
function queryValue(query: string, name: string): string | null {
  return pairValue(query.startsWith('?') ? query.slice(1) : query, '&', name);
}

function pairValue(text: string, separator: string, name: string): string | null {
  for (let start = 0; start <= text.length; ) {
    let end = text.indexOf(separator, start);
    if (end < 0) end = text.length;
    while (start < end && text.charCodeAt(start) === 0x20) start++;
    const valueAt = start + name.length + 1;
    if (valueAt <= end && text.charCodeAt(valueAt - 1) === 0x3d && text.startsWith(name, start))
      return text.slice(valueAt, end).trimEnd();
    start = end + 1;
  }
  return null;
}
