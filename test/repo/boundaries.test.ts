/**
 * One truth about who may import whom: the table of ARCHITECTURE.md. The linter's table equals it; each package.json and the
 * imports themselves stay within it. That what is declared is also used is knip's to check.
 */
import { describe, expect, test } from 'vitest';
import { importTable } from '../../oxlint.config.ts';
import { importsOf, isTest, packages, read, report, resolveImport, sourceFiles } from './workspace.ts';

const SCOPE = '@flotilla/';

/** The rows of the table whose heading has "may import": package → what it may import of ours. */
function architectureTable(): Map<string, string[]> {
  const rows = read('ARCHITECTURE.md')
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll('`', '')),
    );
  const start = rows.findIndex((cells) => cells.at(-1) === 'may import');
  const known = new Set(packages().map(({ name }) => name));
  return new Map(
    rows
      .slice(start + 2)
      .map((cells): [string, string[]] => [
        cells[0]?.replace('packages/', '') ?? '',
        (cells.at(-1) ?? '').split(/,\s*/),
      ])
      .filter(([name]) => known.has(name))
      .map(([name, may]) => [name, may.filter((other) => known.has(other)).toSorted()]),
  );
}

const packageOf = (path: string): string => path.split('/')[1] ?? '';

const sorted = (list: readonly string[]): string[] => list.toSorted();

interface Edge {
  readonly from: string;
  readonly path: string;
  readonly specifier: string;
}

const edges = (): Edge[] =>
  sourceFiles().flatMap((path) => importsOf(path).map((specifier) => ({ from: packageOf(path), path, specifier })));

describe('import directions', () => {
  const table = architectureTable();

  test('every package has its row in ARCHITECTURE.md, and every row its package', () => {
    expect([...table.keys()].toSorted()).toEqual(packages().map(({ name }) => name));
  });

  test('package.json declares no more than the table of ARCHITECTURE.md allows', () => {
    const faults = packages().flatMap(({ name, declared }) =>
      declared.filter((other) => !table.get(name)?.includes(other)).map((other) => `${name} declares ${other}`),
    );
    expect(report(faults, 'take it out of package.json, or change the table together with the decision')).toBe('');
  });

  test('the linter enforces the same table', () => {
    const faults = Object.entries(importTable)
      .filter(([name, { may }]) => sorted(may).join() !== table.get(name)?.join())
      .map(
        ([name, { may }]) => `${name}: linter allows [${may.join(', ')}], table says [${table.get(name)?.join(', ')}]`,
      );
    expect(Object.keys(importTable).toSorted()).toEqual([...table.keys()].toSorted());
    expect(report(faults, 'make the table in oxlint.config.ts equal to the one in ARCHITECTURE.md')).toBe('');
  });

  test('the table has no cycle', () => {
    const visit = (name: string, path: readonly string[]): string[] => {
      if (path.includes(name)) return [[...path, name].join(' → ')];
      return (table.get(name) ?? []).flatMap((next) => visit(next, [...path, name]));
    };
    expect(
      report(
        [...table.keys()].flatMap((name) => visit(name, [])),
        'take one of these edges out',
      ),
    ).toBe('');
  });

  test('sources import only what the table allows', () => {
    const faults = edges()
      .filter(({ specifier }) => specifier.startsWith(SCOPE))
      .filter(({ from, specifier }) => !table.get(from)?.includes(specifier.split('/')[1] ?? ''))
      .map(({ path, specifier }) => `${path} imports ${specifier}`);
    expect(report(faults, 'take the code to where it may be used, or pass it in through a port')).toBe('');
  });
});

describe('entries', () => {
  test('imports between packages go through an entry of package.json "exports"', () => {
    const entries = new Map(packages().map(({ name, manifest }) => [name, Object.keys(manifest.exports ?? {})]));
    const faults = edges()
      .filter(({ specifier }) => specifier.startsWith(SCOPE))
      .filter(({ specifier }) => {
        const [, name = '', ...rest] = specifier.split('/');
        return !entries.get(name)?.includes(['.', ...rest].join('/'));
      })
      .map(({ path, specifier }) => `${path} imports ${specifier}`);
    expect(
      report(faults, 'import the entry that offers it; add it to the index.ts of that entry if it is meant for others'),
    ).toBe('');
  });

  test('relative imports stay inside their package', () => {
    const faults = edges()
      .filter(({ specifier }) => specifier.startsWith('.'))
      .filter(({ path, from, specifier }) => !resolveImport(path, specifier).startsWith(`packages/${from}/`))
      .map(({ path, specifier }) => `${path} imports ${specifier}`);
    expect(report(faults, 'import the other package by name: @flotilla/…')).toBe('');
  });

  test('only tests and testing/ import a testing entry', () => {
    const faults = edges()
      .filter(({ path }) => !isTest(path) && !path.includes('/testing/'))
      .filter(({ specifier }) => /^@flotilla\/[^/]+\/testing$/.test(specifier) || /(^|\/)testing\//.test(specifier))
      .map(({ path, specifier }) => `${path} imports ${specifier}`);
    expect(report(faults, 'production code must not need test helpers: move what it needs out of testing/')).toBe('');
  });
});
