/**
 * Every error as the contract writes it. What is not ours becomes ours here: consensus, the framework, and the unexpected
 * (INTERNAL, with the details in the log only).
 */
import { RaftError, type RaftErrorCode } from '@flotilla/raft';
import { type ErrorCode, errorText, FlotillaError } from '@flotilla/shared';
import type { FastifyError, FastifyReply } from 'fastify';

const FROM_RAFT: Readonly<Record<RaftErrorCode, ErrorCode>> = {
  NO_LEADER: 'NO_LEADER',
  NO_QUORUM: 'NO_QUORUM',
  NOT_LEADER: 'NO_LEADER',
  OVERLOADED: 'OVERLOADED',
  UNKNOWN_OUTCOME: 'UNKNOWN_OUTCOME',
  CONF_PENDING: 'CONFLICT',
  CONF_INVALID: 'CONFLICT',
  DISK_FULL: 'DISK_FULL',
  DISK: 'STOPPING',
  DAMAGED: 'STOPPING',
  STOPPED: 'STOPPING',
  TIMEOUT: 'NO_LEADER',
  NOT_MEMBER: 'STOPPING',
  TOO_LARGE: 'TOO_LARGE',
};

const FROM_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'BAD_REQUEST',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  413: 'TOO_LARGE',
  414: 'TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  429: 'TOO_MANY',
};

/** Anything thrown, as a FlotillaError. */
export function toFlotillaError(error: unknown): FlotillaError {
  if (error instanceof FlotillaError) return error;
  if (error instanceof RaftError) return new FlotillaError(FROM_RAFT[error.code], error.message, { cause: error });
  const framework = error as Partial<FastifyError> | null;
  if (framework?.validation !== undefined) return fromValidation(framework as FastifyError);
  const code = FROM_STATUS[framework?.statusCode ?? 0];
  if (code !== undefined) return new FlotillaError(code, errorText(error), { cause: error });
  return new FlotillaError('INTERNAL', 'something went wrong that should not have', { cause: error });
}

function fromValidation(error: FastifyError): FlotillaError {
  const where = error.validationContext ?? 'request';
  const faults = error.validation ?? [];
  // Of alternatives each says why it is not the one: what says more than "another type" is what was meant.
  const isChoice = ({ keyword }: { keyword: string }): boolean => keyword === 'anyOf' || keyword === 'oneOf';
  const telling = faults.some(isChoice)
    ? faults.filter((fault) => !isChoice(fault) && fault.keyword !== 'type')
    : faults;
  const details = (telling.length > 0 ? telling : faults).map(({ instancePath, message, params }) => {
    const named = params['additionalProperty'] ?? params['allowedValues'];
    const extra = named === undefined ? '' : ` (${[named].flat().join(', ')})`;
    return { path: `${where}${instancePath.replaceAll('/', '.')}`, message: `${message ?? 'is not valid'}${extra}` };
  });
  const first = details[0];
  const text = first === undefined ? 'the request is not valid' : `${first.path} ${first.message}`;
  return new FlotillaError('BAD_REQUEST', text, { details });
}

export function errorBody(error: FlotillaError): object {
  const { code, message, hint, retry, details } = error;
  return { error: { code, message, hint, retry, details } };
}

export function sendError(reply: FastifyReply, error: FlotillaError): void {
  if (error.retry === 'after' || error.retry === 'other-node')
    void reply.header('retry-after', String(error.retryAfterSeconds));
  if (error.code === 'UNAUTHENTICATED') void reply.header('www-authenticate', 'Bearer');
  void reply
    .code(error.status)
    .type('application/json; charset=utf-8')
    .send(JSON.stringify(errorBody(error)));
}
