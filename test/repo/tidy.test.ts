/**
 * The habits of STYLE.md that no linter knows: sizes, file headers, banned words and calls, pure folders. Each failure says
 * what to do instead.
 */
import { describe, expect, test } from 'vitest';
import { codeFiles, filesBelow, isTest, read, report, sourceFiles, withoutComments } from './workspace.ts';

const LINES_MAX = 400;

/** Files over the cap, with the size they may have at most. The list may only shrink: new entries are not accepted. */
const OVERSIZED: Readonly<Record<string, number>> = {};

const PURE_FOLDERS = ['packages/raft/src/core/', 'packages/controlplane/src/state/'];

/** Spelled in two halves, so that this file does not find itself. */
const word = (...parts: string[]): string => parts.join('');

interface Ban {
  readonly pattern: RegExp;
  readonly fix: string;
  readonly where: (path: string) => boolean;
  /** Look at comments too. */
  readonly inComments?: boolean;
}

const everywhere = (): boolean => true;
const inSources = (path: string): boolean =>
  path.startsWith('packages/') && !isTest(path) && !path.includes('/testing/');
const isPure = (path: string): boolean => !isTest(path) && PURE_FOLDERS.some((folder) => path.startsWith(folder));

const BANS: Readonly<Record<string, Ban>> = {
  'marks of unfinished work': {
    pattern: new RegExp(`\\b(${word('TO', 'DO')}|${word('FIX', 'ME')}|${word('XX', 'X')}|${word('HA', 'CK')})\\b`),
    fix: 'finish it, or say what is missing in README.md; a mark in the code is read by nobody',
    where: everywhere,
    inComments: true,
  },
  'mocks of our own parts': {
    pattern: new RegExp(`\\bvi\\.(${word('mo', 'ck')}|${word('spy', 'On')}|${word('doMo', 'ck')})\\b`),
    fix: 'use the real thing on a real socket or disk, or a second implementation of the port',
    where: everywhere,
  },
  'tests that do not run, or run alone': {
    pattern: new RegExp(`\\b(it|test|describe)\\.(${word('sk', 'ip')}|${word('on', 'ly')}|${word('to', 'do')})\\b`),
    fix: 'run it or delete it',
    where: everywhere,
  },
  'paths of one machine': {
    pattern: new RegExp(`${word('/wo', 'rk/')}|/home/[a-z]|/Users/[A-Z]`),
    fix: 'build the path from import.meta.dirname, a setting or os.tmpdir()',
    where: everywhere,
    inComments: true,
  },
  'fixed pauses in tests': {
    pattern: new RegExp(`await\\s+(${word('sle', 'ep')}|${word('set', 'Timeout')}|${word('del', 'ay')})\\(\\s*\\d`),
    fix: 'wait for the condition: waitFor of @flotilla/shared/testing',
    where: isTest,
  },
  'errors known by their text': {
    pattern: new RegExp(`\\.message\\.(${word('incl', 'udes')}|${word('mat', 'ch')}|${word('starts', 'With')})\\(`),
    fix: 'compare error.code: texts are for people and change',
    where: inSources,
  },
  'errors swallowed without a word': {
    pattern: /catch\s*(\([^)]*\)\s*)?\{\s*\}/,
    fix: 'handle it, or say in the block why it can be ignored',
    where: inSources,
    inComments: true,
  },
  'comments that repeat a type': {
    pattern: new RegExp(`^\\s*\\*\\s*@(${word('par', 'am')}|${word('ret', 'urns')})\\b`),
    fix: 'TypeScript says it already: write why, or what would break',
    // Browsers strip no types: the page's own files can only say them in comments.
    where: (path) => inSources(path) && !path.startsWith('packages/dashboard/public/'),
    inComments: true,
  },
  'clocks, randomness, timers and input in pure folders': {
    pattern:
      /\bDate\b|\bperformance\.|\bMath\.random\b|\bset(Timeout|Interval|Immediate)\b|\bqueueMicrotask\b|\bprocess\.|\bconsole\.|from 'node:/,
    fix: 'this folder is a function of (state, event): pass time and randomness in, hand effects out',
    where: isPure,
  },
  'promises in the Raft core': {
    // The state machine hands its snapshot over in chunks and may wait between them; the core never waits for anything.
    pattern: /\basync\b|\bawait\b|\bPromise\b/,
    fix: 'one event in, effects out, at once: what takes time is an effect, and its end is an event',
    where: (path) => isPure(path) && path.startsWith('packages/raft/'),
  },
};

const linesOf = (path: string): number => read(path).trimEnd().split('\n').length;

/** Dependencies and generated files are not ours to judge. */
const scanned = (): string[] => [
  ...codeFiles(),
  ...filesBelow('packages').filter((path) => /public\/.*\.(js|css)$/.test(path)),
];

describe('tidy', () => {
  test('files are found at all', () => {
    expect(sourceFiles().length).toBeGreaterThan(50);
  });

  test(`no file is longer than ${LINES_MAX} lines`, () => {
    const faults = scanned()
      .filter((path) => linesOf(path) > (OVERSIZED[path] ?? LINES_MAX))
      .map((path) => `${path}: ${linesOf(path)} lines`);
    expect(report(faults, 'split it by concern: one file, one thing (aim at 250 lines)')).toBe('');
  });

  test('the list of oversized files only shrinks', () => {
    const faults = Object.entries(OVERSIZED)
      .filter(([path, allowed]) => !scanned().includes(path) || linesOf(path) < allowed)
      .map(([path, allowed]) => `${path}: listed with ${allowed} lines, is shorter or gone`);
    expect(report(faults, 'lower its number in OVERSIZED, or take it off the list')).toBe('');
  });

  test('every file opens with a doc comment', () => {
    const opens = (path: string): boolean => /^(#![^\n]*\n)?\s*\/\*\*\s*\n?\s*\*?\s*\S/.test(read(path));
    const faults = codeFiles().filter((path) => !opens(path));
    expect(report(faults, 'begin the file with /** what it is, and what it is not */')).toBe('');
  });

  for (const [name, { pattern, fix, where, inComments }] of Object.entries(BANS)) {
    test(`no ${name}`, () => {
      const multiline = new RegExp(pattern.source, 'gm');
      const faults = scanned()
        .filter(where)
        .flatMap((path) => {
          const text = inComments ? read(path) : withoutComments(read(path));
          return [...text.matchAll(multiline)].map((match) => `${path}: ${match[0].trim()}`);
        });
      expect(report(faults, fix)).toBe('');
    });
  }

  test('names of test files say what they test', () => {
    const faults = sourceFiles()
      .filter(isTest)
      .filter((path) => /\/(test|tests|misc|utils?|helpers?)\.test\.ts$/.test(path));
    expect(report(faults, 'name the file after the unit or the story that it tests')).toBe('');
  });
});
