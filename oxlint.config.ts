/**
 * The linter's rules: only `correctness` as a category, the rest by name. Two tables matter most and are enforced from here:
 * which package may import which (the table of ARCHITECTURE.md), and which folders are pure.
 */
import { defineConfig, type OxlintOverride } from 'oxlint';

/** Each package: what it may import of ours, and what to do when the linter objects. */
export const importTable = {
  shared: {
    may: [],
    fix: 'shared is the vocabulary that all others speak and imports nothing of ours. Move the code up into the package that needs it.',
  },
  raft: {
    may: ['shared'],
    fix: 'raft may import @flotilla/shared only: consensus knows nothing of balancing. Pass it in through a port.',
  },
  dataplane: {
    may: ['shared'],
    fix: 'dataplane may import @flotilla/shared only: proxy threads know nothing of Raft or the control plane. What they need arrives in the routing snapshot.',
  },
  controlplane: {
    may: ['shared', 'raft'],
    fix: 'controlplane may import @flotilla/shared and @flotilla/raft only: it reaches the proxy threads through a port that packages/node fills.',
  },
  dashboard: { may: [], fix: 'dashboard imports nothing of ours: it is a client of the API.' },
  node: {
    may: ['shared', 'raft', 'dataplane', 'controlplane', 'dashboard'],
    fix: 'node composes shared, raft, dataplane, controlplane and dashboard; nothing else.',
  },
  cli: {
    may: ['shared', 'node'],
    fix: 'cli may import @flotilla/shared, and @flotilla/node to launch it: otherwise it is an API client with the rights of any other.',
  },
  simulator: {
    may: ['shared', 'raft', 'controlplane'],
    fix: 'simulator may import @flotilla/shared, @flotilla/raft and @flotilla/controlplane/state only: real sockets and processes have no place in it.',
  },
} as const;

type Name = keyof typeof importTable;
const names = Object.keys(importTable) as Name[];

const pure =
  'This folder is pure: a function of (state, event). Time, randomness and input arrive as arguments; what must happen leaves as an effect or a return value.';

const impureGlobals =
  'Date performance setTimeout setInterval setImmediate clearTimeout clearInterval queueMicrotask process console fetch crypto'.split(
    ' ',
  );

const deepImports = [
  {
    regex: `^(@flotilla/|(\\.\\./)+(packages/)?)(${names.join('|')})/src/`,
    message: 'Import a package through its entries (package.json "exports"), not its files.',
  },
];

function importRules(name: Name) {
  const { may, fix } = importTable[name];
  const forbidden = names.filter((other) => other !== name && !(may as readonly string[]).includes(other));
  const simulatorOnly = name === 'simulator' ? [{ regex: '^@flotilla/controlplane(/testing)?$', message: fix }] : [];
  return [
    { regex: `^@flotilla/(${forbidden.join('|')})(/|$)`, message: fix },
    { regex: `^@flotilla/${name}(/|$)`, message: 'Inside a package import its own files by relative path.' },
    ...simulatorOnly,
    ...deepImports,
  ];
}

const importDirections = names.map(
  (name): OxlintOverride => ({
    files: [`packages/${name}/src/**/*.ts`],
    rules: { 'no-restricted-imports': ['error', { patterns: importRules(name) }] },
  }),
);

/** What a pure folder may not import, beside what its package may not. The engine knows no look-around, hence the spelling. */
const pureImports = {
  none: {
    libraries: '^([^.@]|@[^f])',
    entries: '^@flotilla/shared/',
    words: 'Use the dependency-free entry @flotilla/shared.',
  },
  /** Schemas are pure too: data, and functions of data. */
  schemas: {
    libraries: '^([^.@t]|t[^y]|@[^f])',
    entries: '^@flotilla/shared/[^s]',
    words: 'Use the pure entries @flotilla/shared and @flotilla/shared/schema.',
  },
};

function pureFolder(name: Name, folder: string, may: keyof typeof pureImports = 'none'): OxlintOverride {
  const { libraries, entries, words } = pureImports[may];
  const patterns = [
    ...importRules(name),
    { regex: libraries, message: `${pure} It imports its own files and what is pure itself. ${words}` },
    { regex: entries, message: `${pure} ${words}` },
  ];
  return {
    files: [`packages/${name}/src/${folder}/**/*.ts`],
    excludeFiles: ['**/*.test.ts', '**/testing/**'],
    rules: {
      'no-restricted-imports': ['error', { patterns }],
      'no-restricted-globals': ['error', ...impureGlobals.map((global) => ({ name: global, message: pure }))],
      'no-restricted-properties': ['error', { object: 'Math', property: 'random', message: pure }],
    },
  };
}

export default defineConfig({
  plugins: ['typescript', 'import', 'oxc', 'unicorn', 'promise', 'vitest'],
  categories: { correctness: 'error' },
  env: { builtin: true, node: true },
  ignorePatterns: ['node_modules', '.tools', '.flotilla', '**/vendor/**'],
  options: { typeAware: true },
  rules: {
    eqeqeq: 'error',
    'no-var': 'error',
    'prefer-const': 'error',
    'no-console': 'error',
    'no-empty': 'error',
    'max-lines': ['error', { max: 400 }],
    'max-lines-per-function': ['error', { max: 100, skipBlankLines: true, skipComments: true }],
    'max-params': ['error', { max: 4 }],
    'import/no-cycle': ['error', { ignoreTypes: false }],
    'import/no-self-import': 'error',
    'unicorn/filename-case': ['error', { case: 'kebabCase' }],
    'unicorn/prefer-node-protocol': 'error',
    'unicorn/no-empty-file': 'off',
    // A copy is taken on purpose where a collection changes while it is walked; arrays of a known length are a hot path's tool.
    'unicorn/no-useless-spread': 'off',
    'unicorn/no-new-array': 'off',
    'promise/no-callback-in-promise': 'off',
    'typescript/consistent-type-imports': 'error',
    'typescript/no-explicit-any': 'error',
    'typescript/no-non-null-assertion': 'error',
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/await-thenable': 'error',
    'typescript/only-throw-error': 'error',
    'typescript/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
    'typescript/unbound-method': 'off',
    'typescript/restrict-template-expressions': 'off',
    'typescript/no-base-to-string': 'off',
    // `\`${Host}:${Port}\` | string` documents a shape.
    'typescript/no-redundant-type-constituents': 'off',
    // The second argument says which of many alike expectations failed.
    'vitest/valid-expect': ['error', { maxArgs: 2 }],
    'vitest/require-to-throw-message': 'off',
    // A story's harness has verbs of its own that expect.
    'vitest/expect-expect': 'off',
    'vitest/no-focused-tests': 'error',
    'vitest/no-disabled-tests': 'error',
  },
  overrides: [
    ...importDirections,
    {
      files: ['test/**/*.ts', 'bench/**/*.ts'],
      rules: { 'no-restricted-imports': ['error', { patterns: deepImports }] },
    },
    // The later override of the same rule wins, so the pure folders stand after their packages.
    pureFolder('raft', 'core'),
    pureFolder('controlplane', 'state', 'schemas'),
    {
      files: ['**/*.test.ts', 'test/**', 'bench/**', '**/testing/**'],
      rules: { 'max-lines-per-function': 'off', 'typescript/no-non-null-assertion': 'off' },
    },
    {
      files: [
        'packages/cli/src/**',
        'packages/dashboard/public/**',
        'scripts/**',
        'bench/**',
        'test/**',
        '**/*.test.ts',
      ],
      rules: { 'no-console': 'off' },
    },
  ],
});
