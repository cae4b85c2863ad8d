/**
 * Sticky sessions: finds the backend that a session is pinned to, and pins it to the one that was chosen.
 *
 * A pinned session stays while its backend may serve it, also while that drains; it is given up when the backend is down, in
 * maintenance or gone. A backend that only this node cannot reach just now costs the session one detour, not its pin.
 */
import type { AffinitySpec } from '@flotilla/shared';
import { cookieValue } from '../balancing/hash-key.ts';
import type { Backend, PickContext, Pool } from '../config/table.ts';
import { CookieReader, encodeCookie } from './cookie.ts';
import { MemoryPinTable } from './pin-table.ts';
import type { PinTable } from './pin-table.ts';
import { sessionKey } from './session-key.ts';

const PINS_MAX_COUNT = 65_536;
/** A cookie is renewed when this much of its time is left. */
const RENEW_RATIO = 0.5;

export interface SessionChoice {
  /** null: nobody can serve it, or only another one and the policy is strict. */
  readonly backend: Backend | null;
  /** The cookie to set if this backend answers, as a field line with its end; '' for none. */
  readonly setCookie: string;
}

export interface SessionClock {
  /** Monotonic, as suspicion is measured. */
  nowMs(): number;
  /** Replicated time, as pins and cookies expire. */
  logNowMs(): number;
}

export interface SessionRequest {
  readonly pick: PickContext;
  readonly isSecure: boolean;
  readonly affinityKey: string;
}

export class Affinity {
  readonly #clock: SessionClock;
  readonly #cookies = new CookieReader();
  readonly #pins: PinTable;

  constructor(clock: SessionClock, pins: PinTable = new MemoryPinTable(PINS_MAX_COUNT)) {
    this.#clock = clock;
    this.#pins = pins;
  }

  choose(pool: Pool, affinity: AffinitySpec, request: SessionRequest): SessionChoice {
    if (affinity.type === 'cookie') return this.#byCookie(pool, affinity, request);
    const key = sessionKey(affinity, request.pick);
    // Before an application has set its cookie there is no session yet.
    if (key === null) return { backend: pool.pick(request.pick), setCookie: '' };
    return { backend: this.#byPin(pool, affinity, { key, pick: request.pick }), setCookie: '' };
  }

  /** For cookie-learn: the application has just set its session cookie. `setCookies`: values of its Set-Cookie fields. */
  learn(pool: Pool, backend: Backend, setCookies: readonly string[]): void {
    const { affinity } = pool.spec;
    if (affinity?.type !== 'cookie-learn') return;
    for (const line of setCookies) {
      const end = line.indexOf(';');
      const key = cookieValue(end < 0 ? line : line.slice(0, end), affinity.name);
      if (key === null || key === '') continue;
      const pin = { pool: pool.spec.name, key, backendId: backend.id, ttlMs: affinity.ttlMs };
      this.#pins.set(pin, this.#clock.logNowMs());
    }
  }

  #byCookie(pool: Pool, affinity: AffinitySpec, { pick, isSecure, affinityKey }: SessionRequest): SessionChoice {
    // Without a key anybody could sign: no stickiness rather than one that clients steer.
    if (affinityKey === '') return { backend: pool.pick(pick), setCookie: '' };
    const scope = { key: affinityKey, pool: pool.spec.name };
    const logNowMs = this.#clock.logNowMs();
    const value = cookieValue(pick.header('cookie'), affinity.name);
    const content = value === null ? null : this.#cookies.read(scope, value);
    const pinned = content === null || content.expiresMs <= logNowMs ? null : pool.backend(content.backendId);
    const { backend, keepsPin } = this.#follow(pool, pinned, { strict: affinity.strict, pick });
    const isFresh = content !== null && content.expiresMs - logNowMs > affinity.ttlMs * RENEW_RATIO;
    if (backend === null || (keepsPin && (isFresh || backend !== pinned))) return { backend, setCookie: '' };
    const fresh = encodeCookie(scope, { backendId: backend.id, expiresMs: logNowMs + affinity.ttlMs });
    const maxAgeSeconds = Math.floor(affinity.ttlMs / 1_000);
    const secure = isSecure ? '; Secure' : '';
    const attributes = `Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Lax${secure}`;
    return { backend, setCookie: `Set-Cookie: ${affinity.name}=${fresh}; ${attributes}\r\n` };
  }

  #byPin(pool: Pool, affinity: AffinitySpec, session: { key: string; pick: PickContext }): Backend | null {
    const { key, pick } = session;
    const logNowMs = this.#clock.logNowMs();
    const id = this.#pins.get(pool.spec.name, key, logNowMs);
    const { unconfirmed } = this.#pins;
    const pinned = id === null ? null : pool.backend(id);
    const { backend, keepsPin } = this.#follow(pool, pinned, { strict: affinity.strict, pick, key });
    if (backend !== null && (!keepsPin || backend === pinned)) {
      // What everybody would choose without the pin can do without it; what is committed, or was, cannot.
      const isFirst =
        (id === null && pick.tried.length === 0) || (unconfirmed && pool.pickByKey(key, pick) === backend);
      const pin = { pool: pool.spec.name, key, backendId: backend.id, ttlMs: affinity.ttlMs, isNeeded: !isFirst };
      this.#pins.set(pin, logNowMs);
    }
    return backend;
  }

  /** `keepsPin`: the session stays pinned as it was, whoever serves this one request. */
  #follow(
    pool: Pool,
    pinned: Backend | null,
    session: { readonly strict: boolean; readonly pick: PickContext; readonly key?: string },
  ): { backend: Backend | null; keepsPin: boolean } {
    const { strict, pick, key } = session;
    const another = (): Backend | null => (key === undefined ? pool.pick(pick) : pool.pickByKey(key, pick));
    if (pinned === null) return { backend: another(), keepsPin: false };
    if (!pool.servesPinned(pinned)) return { backend: strict ? null : another(), keepsPin: strict };
    const tried = pick.tried.some((backend) => backend.id === pinned.id);
    if (strict) return { backend: tried ? null : pinned, keepsPin: true };
    const isSuspect = pinned.runtime.locallyDown || pinned.runtime.suspectUntilMs > this.#clock.nowMs();
    if (!tried && !isSuspect) return { backend: pinned, keepsPin: true };
    return { backend: another() ?? (tried ? null : pinned), keepsPin: true };
  }
}
