/**
 * Revisions on the wire: `ETag` out, `If-Match` in.
 */
import { FlotillaError } from '@flotilla/shared';

export function etag(revision: number): string {
  return `"${revision}"`;
}

/** What the caller's `If-Match` allows: any revision (null), or one of these. `*` asks that the thing exists. */
export interface Precondition {
  readonly revisions: readonly number[];
  readonly any: boolean;
}

/** Accepts `"7"`, `W/"7"`, `7`, lists and `*`. Throws BAD_REQUEST on anything else. */
export function parseIfMatch(header: string | undefined): Precondition | null {
  if (header === undefined) return null;
  const text = header.trim();
  if (text === '*') return { revisions: [], any: true };
  const revisions = text.split(',').map((part) => {
    const match = /^(?:W\/)?(?:"(\d{1,16})"|(\d{1,16}))$/.exec(part.trim());
    if (match === null)
      throw new FlotillaError('BAD_REQUEST', `If-Match is not a revision: ${text.slice(0, 80)}`, {
        hint: 'Send the ETag as it was given, e.g. If-Match: "42".',
      });
    return Number(match[1] ?? match[2]);
  });
  return { revisions, any: false };
}

/** Throws REVISION_MISMATCH where the current revision is none of those allowed. */
export function checkPrecondition(precondition: Precondition | null, current: number): void {
  if (precondition === null || precondition.any || precondition.revisions.includes(current)) return;
  throw revisionMismatch(current);
}

export function revisionMismatch(current: number): FlotillaError {
  return new FlotillaError('REVISION_MISMATCH', `the current revision is ${current}`, {
    details: [{ path: 'revision', message: String(current) }],
  });
}
