/**
 * The one error of Flotilla and its codes. Callers match on `code`, never on text; people read `message` and `hint`.
 *
 * Codes of the API are the contract's; internal ones are added where they are raised. `retry` says what a client should
 * do: `no` (the request is wrong), `yes` (at once), `after` (wait, see Retry-After), `other-node` (this node cannot).
 */

export type Retry = 'no' | 'yes' | 'after' | 'other-node';

export interface FaultDetail {
  /** Where, e.g. `pools[0].backends[2].address`. */
  readonly path: string;
  readonly message: string;
}

interface CodeFacts {
  readonly status: number;
  readonly retry: Retry;
  readonly hint: string;
}

/** Every code, with the HTTP status, the retry advice and the default hint. */
export const ERROR_CODES = {
  BAD_REQUEST: { status: 400, retry: 'no', hint: 'Correct the request; see /docs.' },
  UNAUTHENTICATED: { status: 401, retry: 'no', hint: 'Send Authorization: Bearer TOKEN with a valid token.' },
  FORBIDDEN: { status: 403, retry: 'no', hint: 'This needs a token with a higher role.' },
  NOT_FOUND: { status: 404, retry: 'no', hint: 'Check the name; lists are at /v1/listeners, /v1/pools and so on.' },
  METHOD_NOT_ALLOWED: { status: 405, retry: 'no', hint: 'The Allow field lists the methods that this path takes.' },
  CONFLICT: { status: 409, retry: 'no', hint: 'Read the current state and decide anew.' },
  GONE: { status: 410, retry: 'no', hint: 'Too old to be remembered: read the current state and start from there.' },
  REVISION_MISMATCH: {
    status: 412,
    retry: 'no',
    hint: 'Somebody changed it meanwhile: GET it, apply your change again, and send the new revision in If-Match.',
  },
  TOO_LARGE: { status: 413, retry: 'no', hint: 'Send less at once.' },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    retry: 'no',
    hint: 'Send application/json, or application/yaml for a whole configuration.',
  },
  INVALID_CONFIG: { status: 422, retry: 'no', hint: 'Correct every fault listed in details; nothing was changed.' },
  TOO_MANY: { status: 429, retry: 'after', hint: 'Slow down and try again after the time in Retry-After.' },
  INTERNAL: {
    status: 500,
    retry: 'no',
    hint: 'This is a bug in Flotilla: please report it with the log lines around it.',
  },
  NO_QUORUM: {
    status: 503,
    retry: 'after',
    hint: 'A majority of nodes is not reachable: nothing was changed. Start the missing nodes or heal the network, then try again. Traffic and ?consistency=local reads go on.',
  },
  NO_LEADER: {
    status: 503,
    retry: 'after',
    hint: 'An election is under way: nothing was changed. Try again in a second.',
  },
  QUARANTINED: {
    status: 503,
    retry: 'other-node',
    hint: 'The state of this node differs from that of the other nodes and cannot be believed: ask another one. /ready says what to do.',
  },
  UNREACHABLE: {
    status: 503,
    retry: 'after',
    hint: 'The node that was asked for does not answer: see flotilla members.',
  },
  OVERLOADED: {
    status: 503,
    retry: 'after',
    hint: 'Too many writes are waiting: nothing was changed. Try again in a moment.',
  },
  DISK_FULL: {
    status: 503,
    retry: 'other-node',
    hint: 'The disk of the leader is nearly full: nothing was changed. Free space on it, or transfer leadership.',
  },
  STOPPING: { status: 503, retry: 'other-node', hint: 'This node is stopping: ask another one.' },
  UNKNOWN_OUTCOME: {
    status: 504,
    retry: 'no',
    hint: 'The change may or may not have been made. Read before you repeat it, or repeat it with the same Idempotency-Key.',
  },
  NOT_SERVED: {
    status: 504,
    retry: 'no',
    hint: 'The change is committed and will be served; only the wait for it ran out.',
  },
} as const satisfies Record<string, CodeFacts>;

export type ErrorCode = keyof typeof ERROR_CODES;

export class FlotillaError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly details: readonly FaultDetail[];
  readonly retryAfterSeconds: number;

  constructor(
    code: ErrorCode,
    message: string,
    options: {
      readonly hint?: string;
      readonly details?: readonly FaultDetail[];
      readonly retryAfterSeconds?: number;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = 'FlotillaError';
    this.code = code;
    this.hint = options.hint ?? ERROR_CODES[code].hint;
    this.details = options.details ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds ?? 1;
  }

  get status(): number {
    return ERROR_CODES[this.code].status;
  }

  get retry(): Retry {
    return ERROR_CODES[this.code].retry;
  }
}

/** Exit codes of every `flotilla` command (after sysexits.h). */
export const EXIT = {
  clean: 0,
  failure: 1,
  usage: 64,
  unavailable: 69,
  internal: 70,
  disk: 74,
  configuration: 78,
} as const;

/** The message of anything thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
