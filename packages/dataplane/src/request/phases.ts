/**
 * The closed, ordered list of what decides a request before anything is sent: accept → match route → choose backend. Then the
 * pipeline forwards, responds and logs (`forward.ts`, `respond.ts`, `log.ts`).
 */
import { accept } from './accept.ts';
import { chooseBackend } from './choose-backend.ts';
import type { Exchange } from './exchange.ts';
import { matchRoute } from './match-route.ts';
import type { Reply } from './reply.ts';

/** Each gives an answer of our own that ends the request, or null to go on. */
export function decide(exchange: Exchange): Reply | null {
  return accept(exchange) ?? matchRoute(exchange) ?? chooseBackend(exchange);
}
