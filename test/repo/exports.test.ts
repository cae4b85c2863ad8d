/** What each package offers to others: a short, listed set of entries, each of which loads under Node itself. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { packages, report, root } from './workspace.ts';

const run = promisify(execFile);

/** Every package has `.` and may have `./testing`; any other entry stands here with its reason. */
const EXTRA_ENTRIES: Readonly<Record<string, string>> = {
  '@flotilla/shared/schema': 'brings TypeBox and ajv along, which the proxy threads and the pure folders must not load',
  '@flotilla/shared/runtime': 'brings pino, prom-client and msgpackr along: I/O that the pure folders must not load',
  '@flotilla/raft/internals':
    'store seam, codec and frames, on which the simulator puts a disk and a network of its own',
  '@flotilla/controlplane/state': 'the pure state machine, which the simulator drives without API, sockets or timers',
  '@flotilla/dataplane/table': 'the pure routing table, which explains a choice outside a proxy thread',
};

const entries = packages().flatMap(({ name, manifest }) =>
  Object.entries(manifest.exports ?? {}).map(([key, file]) => ({
    specifier: `@flotilla/${name}${key.slice(1)}`,
    key,
    file: join('packages', name, file),
  })),
);

describe('exports', () => {
  test('every package has the entry "."', () => {
    const faults = packages().filter(({ manifest }) => manifest.exports?.['.'] === undefined);
    expect(
      report(
        faults.map(({ name }) => name),
        'add "exports": { ".": "./src/index.ts" } to its package.json',
      ),
    ).toBe('');
  });

  test('no entry but ".", "./testing" and the listed ones', () => {
    const faults = entries
      .filter(({ key, specifier }) => key !== '.' && key !== './testing' && EXTRA_ENTRIES[specifier] === undefined)
      .map(({ specifier }) => specifier);
    expect(report(faults, 'offer it through ".", or list it in EXTRA_ENTRIES with the reason for its own entry')).toBe(
      '',
    );
  });

  test('no entry is listed that is gone', () => {
    const known = new Set(entries.map(({ specifier }) => specifier));
    const faults = Object.keys(EXTRA_ENTRIES).filter((specifier) => !known.has(specifier));
    expect(report(faults, 'take it out of EXTRA_ENTRIES')).toBe('');
  });

  test('every entry names a source file that is there', () => {
    const faults = entries
      .filter(({ file }) => !file.endsWith('.ts') || !existsSync(join(root, file)))
      .map(({ specifier, file }) => `${specifier}: ${file}`);
    expect(report(faults, 'point it at the .ts file: there is no build step')).toBe('');
  });

  test.each(entries.filter(({ key }) => key !== './testing'))('$specifier loads under node', async ({ file }) => {
    const script = `await import(${JSON.stringify(join(root, file))}); process.exit(0);`;
    const { stderr } = await run(process.execPath, ['--input-type=module', '--eval', script], { cwd: root });
    expect(stderr).toBe('');
  });
});
