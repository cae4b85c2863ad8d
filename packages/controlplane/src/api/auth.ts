/**
 * Who asks and what they may do: bearer tokens with roles. Only hashes stay in memory; every comparison takes the same
 * time. Without tokens everybody is admin (the node then listens on loopback, or was told to be insecure); a web page of
 * another origin is refused all the same, since browsers reach loopback too.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { FlotillaError } from '@flotilla/shared';
import { loginAddressesMax, loginFailuresMax, loginWindowMs } from '../limits.ts';
import type { ApiRole, ApiToken } from '../ports.ts';

const RANK: Readonly<Record<ApiRole, number>> = { viewer: 1, operator: 2, admin: 3 };

export interface Caller {
  readonly role: ApiRole;
  /** Who, for the audit trail: the role and the token's label, or the first characters of its hash. */
  readonly actor: string;
}

export interface Credentials {
  readonly authorization: string | undefined;
  readonly origin: string | undefined;
  readonly host: string | undefined;
  readonly address: string;
}

interface Failures {
  count: number;
  readonly sinceMs: number;
}

export class Authenticator {
  #tokens: readonly { readonly hash: Buffer; readonly caller: Caller }[] = [];
  readonly #failures = new Map<string, Failures>();
  readonly #nowMs: () => number;
  /** The `Host` last found to be a local name: clients keep to one. */
  #localHost: string | undefined;

  constructor(tokens: readonly ApiToken[], nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
    this.replace(tokens);
  }

  /** From now on these are valid, and no others. */
  replace(tokens: readonly ApiToken[]): void {
    this.#tokens = tokens.map(({ role, hash, label }) => ({
      hash: Buffer.from(hash, 'hex'),
      caller: { role, actor: label === '' ? `${role}:${hash.slice(0, 8)}` : `${role}@${label}` },
    }));
  }

  /** Throws UNAUTHENTICATED, FORBIDDEN or TOO_MANY. */
  authorise(credentials: Credentials, needed: ApiRole): Caller {
    const caller = this.#authenticate(credentials);
    if (RANK[caller.role] < RANK[needed])
      throw new FlotillaError('FORBIDDEN', `this needs the role ${needed}; the token has ${caller.role}`);
    return caller;
  }

  #authenticate({ authorization, origin, host, address }: Credentials): Caller {
    if (this.#tokens.length === 0) {
      if (origin !== undefined || host === undefined || host !== this.#localHost) {
        refuseForeignPages(origin, host);
        this.#localHost = host;
      }
      return { role: 'admin', actor: 'anonymous' };
    }
    const source = sourceOf(address);
    const failures = this.#recentFailures(source);
    if (failures !== null && failures.count >= loginFailuresMax)
      throw new FlotillaError('TOO_MANY', 'too many wrong tokens from this address', {
        retryAfterSeconds: Math.ceil((failures.sinceMs + loginWindowMs - this.#nowMs()) / 1000),
      });
    if (authorization === undefined) throw new FlotillaError('UNAUTHENTICATED', 'a token is needed');
    const match = /^Bearer +(\S+)$/i.exec(authorization);
    const caller = match === null ? null : this.#lookUp(match[1] ?? '');
    if (caller !== null) return caller;
    this.#countFailure(source);
    throw new FlotillaError('UNAUTHENTICATED', 'the token is not valid');
  }

  #lookUp(token: string): Caller | null {
    const hash = sha256(token);
    let found: Caller | null = null;
    for (const each of this.#tokens) if (timingSafeEqual(each.hash, hash)) found = each.caller;
    return found;
  }

  #recentFailures(source: string): Failures | null {
    const failures = this.#failures.get(source);
    if (failures === undefined) return null;
    if (this.#nowMs() - failures.sinceMs < loginWindowMs) return failures;
    this.#failures.delete(source);
    return null;
  }

  #countFailure(source: string): void {
    const failures = this.#failures.get(source);
    if (failures !== undefined) {
      failures.count += 1;
      return;
    }
    if (this.#failures.size >= loginAddressesMax) {
      const oldest = this.#failures.keys().next();
      if (oldest.done !== true) this.#failures.delete(oldest.value);
    }
    this.#failures.set(source, { count: 1, sinceMs: this.#nowMs() });
  }
}

/** Whoever has one IPv6 address has all of its /64. */
function sourceOf(address: string): string {
  const mapped = /^::ffff:([\d.]+)$/i.exec(address);
  if (mapped !== null) return mapped[1] ?? address;
  if (!address.includes(':')) return address;
  const [left = '', right = ''] = address.toLowerCase().split('::', 2);
  const head = left === '' ? [] : left.split(':');
  const tail = right === '' ? [] : right.split(':');
  const zeros = address.includes('::') ? Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0') : [];
  return `${[...head, ...zeros, ...tail].slice(0, 4).join(':')}::/64`;
}

/** Cross-site requests and DNS rebinding: a page may speak to an API without tokens only if the API served that page. */
function refuseForeignPages(origin: string | undefined, host: string | undefined): void {
  const name = (host ?? '').replace(/:\d+$/, '');
  const local = !name.includes('.') || /^[\d.]+$/.test(name) || name.endsWith('.localhost');
  const sameOrigin = origin === undefined || origin === `http://${host}` || origin === `https://${host}`;
  if (!local || !sameOrigin)
    throw new FlotillaError('FORBIDDEN', 'an API without tokens does not answer pages of other origins', {
      hint: 'Use the address of the node itself, or configure tokens (FLOTILLA_API_TOKENS).',
    });
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
