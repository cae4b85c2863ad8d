/** Tokens, roles, the limit on guessing, and pages of other origins; and revisions in headers. */
import { describe, expect, it } from 'vitest';
import { testToken } from '../testing/index.ts';
import { Authenticator, type Credentials } from './auth.ts';
import { checkPrecondition, etag, parseIfMatch } from './revision.ts';

const TOKENS = [testToken('admin', 'alpha'), testToken('viewer', 'vega', 'grafana')];

function credentials(rest: Partial<Credentials>): Credentials {
  return { authorization: undefined, origin: undefined, host: '127.0.0.1:7400', address: '10.0.0.9', ...rest };
}

const codeOf = (run: () => unknown): string => {
  try {
    run();
    return 'none';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('authenticator', () => {
  it('knows tokens and their roles, and tells callers apart without showing the token', () => {
    const authenticator = new Authenticator(TOKENS);
    const viewer = authenticator.authorise(credentials({ authorization: 'Bearer vega' }), 'viewer');
    expect(viewer.role).toBe('viewer');
    expect(viewer.actor).toBe('viewer@grafana');
    expect(codeOf(() => authenticator.authorise(credentials({ authorization: 'Bearer vega' }), 'operator'))).toBe(
      'FORBIDDEN',
    );
    expect(authenticator.authorise(credentials({ authorization: 'bearer alpha' }), 'admin').role).toBe('admin');
    for (const authorization of [undefined, 'Bearer wrong', 'Basic alpha', 'Bearer'])
      expect(codeOf(() => authenticator.authorise(credentials({ authorization }), 'viewer'))).toBe('UNAUTHENTICATED');
  });

  it('stops listening to an address that guesses, and to that one only, for a while', () => {
    let nowMs = 0;
    const authenticator = new Authenticator(TOKENS, () => nowMs);
    const guess = () => codeOf(() => authenticator.authorise(credentials({ authorization: 'Bearer x' }), 'viewer'));
    const codes = Array.from({ length: 21 }, guess);
    expect(codes.slice(0, 20).every((code) => code === 'UNAUTHENTICATED')).toBe(true);
    expect(codes[20]).toBe('TOO_MANY');
    expect(
      authenticator.authorise(credentials({ authorization: 'Bearer alpha', address: '10.0.0.8' }), 'admin').role,
    ).toBe('admin');
    nowMs = 61_000;
    expect(guess()).toBe('UNAUTHENTICATED');
  });

  it('counts an IPv6 network as one address', () => {
    const authenticator = new Authenticator(TOKENS, () => 0);
    const guess = (address: string) =>
      codeOf(() => authenticator.authorise(credentials({ authorization: 'Bearer x', address }), 'viewer'));
    for (let at = 0; at < 20; at += 1) guess(`2001:db8::${at.toString(16)}`);
    expect(guess('2001:db8:0:0:ffff::1')).toBe('TOO_MANY');
    expect(guess('2001:db8:0:1::1')).toBe('UNAUTHENTICATED');
    for (let at = 0; at < 20; at += 1) guess('::ffff:10.0.0.7');
    expect(guess('10.0.0.7')).toBe('TOO_MANY');
  });

  it('takes new tokens and forgets the old ones', () => {
    const authenticator = new Authenticator(TOKENS);
    authenticator.replace([testToken('operator', 'orion')]);
    expect(codeOf(() => authenticator.authorise(credentials({ authorization: 'Bearer alpha' }), 'viewer'))).toBe(
      'UNAUTHENTICATED',
    );
    expect(authenticator.authorise(credentials({ authorization: 'Bearer orion' }), 'operator').role).toBe('operator');
  });

  it('lets everybody in without tokens, but no page of another origin', () => {
    const authenticator = new Authenticator([]);
    expect(authenticator.authorise(credentials({}), 'admin').role).toBe('admin');
    expect(authenticator.authorise(credentials({ origin: 'http://127.0.0.1:7400' }), 'admin').role).toBe('admin');
    expect(codeOf(() => authenticator.authorise(credentials({ origin: 'https://evil.example' }), 'admin'))).toBe(
      'FORBIDDEN',
    );
    const rebound = credentials({ origin: 'http://evil.example:7400', host: 'evil.example:7400' });
    expect(codeOf(() => authenticator.authorise(rebound, 'admin'))).toBe('FORBIDDEN');
  });
});

describe('revisions in headers', () => {
  it('reads what it writes, weak and bare ones, lists and the star', () => {
    expect(parseIfMatch(etag(42))?.revisions).toEqual([42]);
    expect(parseIfMatch('W/"42"')?.revisions).toEqual([42]);
    expect(parseIfMatch('42')?.revisions).toEqual([42]);
    expect(parseIfMatch('"1", "2"')?.revisions).toEqual([1, 2]);
    expect(parseIfMatch('*')?.any).toBe(true);
    expect(parseIfMatch(undefined)).toBeNull();
    for (const bad of ['"x"', '', '"42', '1.5', '"1" "2"']) expect(codeOf(() => parseIfMatch(bad))).toBe('BAD_REQUEST');
  });

  it('refuses any other revision and says the current one', () => {
    expect(codeOf(() => checkPrecondition(parseIfMatch('"3"'), 4))).toBe('REVISION_MISMATCH');
    expect(codeOf(() => checkPrecondition(parseIfMatch('"3", "4"'), 4))).toBe('none');
    expect(codeOf(() => checkPrecondition(null, 4))).toBe('none');
  });
});
