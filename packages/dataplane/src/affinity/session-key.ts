/** What identifies a session in the pin table: the source address, a header, or the application's own cookie. */
import type { AffinitySpec } from '@flotilla/shared';
import { cookieValue } from '../balancing/hash-key.ts';
import type { PickContext } from '../config/table.ts';

/** null: the request belongs to no session yet. */
export function sessionKey(affinity: AffinitySpec, request: PickContext): string | null {
  switch (affinity.type) {
    case 'source-ip':
      return request.clientIp;
    case 'header':
      return request.header(affinity.name.toLowerCase()) ?? null;
    case 'cookie':
    case 'cookie-learn':
      return cookieValue(request.header('cookie'), affinity.name);
  }
}
