/**
 * What the repository's own tests read: the files of the workspace, its packages, the imports of a source file. Knows nothing
 * of any rule.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../..');

const IGNORED = new Set(['node_modules', '.git', '.tools', '.flotilla', 'coverage', 'vendor']);

/** Every file below a directory of the repository, as paths from its root with forward slashes, sorted. */
export function filesBelow(directory: string): string[] {
  const start = join(root, directory);
  if (!existsSync(start)) return [];
  return readdirSync(start, { withFileTypes: true })
    .filter((entry) => !IGNORED.has(entry.name))
    .flatMap((entry) => {
      const path = join(directory, entry.name);
      return entry.isDirectory() ? filesBelow(path) : entry.isFile() ? [path] : [];
    })
    .toSorted();
}

export const read = (path: string): string => readFileSync(join(root, path), 'utf8');

export const isTest = (path: string): boolean => path.endsWith('.test.ts');

export const sourceFiles = (): string[] => filesBelow('packages').filter((path) => /\/src\/.*\.ts$/.test(path));

/** Sources, tests, benchmarks and scripts: all code that a person writes here. */
export const codeFiles = (): string[] => [
  ...sourceFiles(),
  ...filesBelow('test').filter((path) => path.endsWith('.ts')),
  ...filesBelow('bench').filter((path) => /\.(ts|mjs)$/.test(path)),
  ...filesBelow('scripts').filter((path) => path.endsWith('.mjs')),
];

export interface Manifest {
  readonly name: string;
  readonly exports?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

export interface Package {
  /** The folder's name below `packages/`, and the name after `@flotilla/`. */
  readonly name: string;
  readonly manifest: Manifest;
  /** Names of our packages that its package.json declares, sorted. */
  readonly declared: readonly string[];
}

const SCOPE = '@flotilla/';

export function packages(): Package[] {
  return readdirSync(join(root, 'packages'))
    .filter((name) => statSync(join(root, 'packages', name)).isDirectory())
    .map((name) => {
      const manifest = JSON.parse(read(`packages/${name}/package.json`)) as Manifest;
      const all = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
      const declared = all.filter((one) => one.startsWith(SCOPE)).map((one) => one.slice(SCOPE.length));
      return { name, manifest, declared: declared.toSorted() };
    });
}

/** Drops comments, so that prose about a banned thing is not the thing. Strings stay: a path in a string is what it says. */
export function withoutComments(source: string): string {
  return source.replaceAll(
    /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|\/\*[\s\S]*?\*\/|(?<![:\\/])\/\/[^\n]*/g,
    (_all, text: string | undefined) => text ?? '',
  );
}

const IMPORT =
  /(?:^|[\s;}])(?:import|export)\s+(?:type\s+)?(?:[\w*{][^'";]*?\sfrom\s*)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g;

/** The specifiers that a file imports or re-exports, dynamic imports and type imports included. */
export function importsOf(path: string): string[] {
  return [...withoutComments(read(path)).matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? '');
}

/** A relative import as a path from the root. */
export const resolveImport = (from: string, specifier: string): string =>
  relative(root, resolve(root, dirname(from), specifier));

/** One failure text for a list of faults, or nothing: `expect(report(faults, fix)).toBe('')` prints both. */
export const report = (faults: readonly string[], fix: string): string =>
  faults.length === 0 ? '' : `${faults.join('\n')}\n→ ${fix}`;
