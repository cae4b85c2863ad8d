/** Documents that name files, packages and commands of the repository name ones that exist. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { codeFiles, filesBelow, packages, read, report, root } from './workspace.ts';

const CHANGELOG_HEADINGS = new Set(['Safety', 'Features', 'Operations', 'Internals']);
const ROOT_DOCUMENTS = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'STYLE.md', 'CHANGELOG.md'];

const documents = (): string[] => [
  ...ROOT_DOCUMENTS,
  ...['docs', 'packages'].flatMap(filesBelow).filter((path) => path.endsWith('.md')),
];
const here = (path: string): boolean => existsSync(join(root, path));

/** `packages/raft/src/core`, `test/repo`, and the short form `raft/driver` for a folder of a package. */
function missingPaths(document: string): string[] {
  const folders = ['packages', 'test', 'bench', 'scripts', 'docs', 'deploy', '.ci'];
  const names = packages().map(({ name }) => name);
  const spans = [...read(document).matchAll(/`([\w.@*-]+(?:\/[\w.*-]+)+)\/?`/g)].map((match) => match[1] ?? '');
  return spans
    .filter((span) => !span.includes('*'))
    .filter((span) => {
      const first = span.split('/')[0] ?? '';
      if (folders.includes(first)) return !here(span);
      return names.includes(first) && !here(span.replace(first, `packages/${first}/src`)) && !here(`packages/${span}`);
    })
    .map((span) => `${document}: ${span}`);
}

const missingLinks = (document: string): string[] =>
  [...read(document).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)]
    .map((match) => match[1] ?? '')
    .filter((target) => !here(join(document, '..', target)))
    .map((target) => `${document}: ${target}`);

const missingScripts = (document: string): string[] => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  return [...read(document).matchAll(/\bnpm run ([\w:-]+)/g)]
    .filter((match) => scripts[match[1] ?? ''] === undefined)
    .map((match) => `${document}: ${match[0]}`);
};

describe('documents', () => {
  test('the documents of the repository are there', () => {
    expect(
      report(
        ROOT_DOCUMENTS.filter((path) => !here(path)),
        'write it',
      ),
    ).toBe('');
  });

  test('paths in documents exist', () => {
    expect(report(documents().filter(here).flatMap(missingPaths), 'correct the path in the document')).toBe('');
  });

  test('links in documents lead somewhere', () => {
    expect(report(documents().filter(here).flatMap(missingLinks), 'correct the link')).toBe('');
  });

  test('scripts in documents exist', () => {
    expect(report(documents().filter(here).flatMap(missingScripts), 'correct the command or add the script')).toBe('');
  });

  test('commands in documents and file headers run under the Node that comes with the repository', () => {
    const faults = [...documents(), ...codeFiles()].flatMap((path) =>
      [...read(path).matchAll(/(?<!with-node |[\w/.-])node [\w/.-]+\.ts\b/g)].map((match) => `${path}: ${match[0]}`),
    );
    expect(report(faults, 'write ./scripts/with-node node …: a Node before 24 strips no types')).toBe('');
  });

  test('CHANGELOG.md sorts every change under one of four headings', () => {
    const headings = [...read('CHANGELOG.md').matchAll(/^### (.+)$/gm)].map((match) => match[1] ?? '');
    const faults = headings.filter((heading) => !CHANGELOG_HEADINGS.has(heading));
    expect(headings.length).toBeGreaterThan(0);
    expect(report(faults, `use ${[...CHANGELOG_HEADINGS].join(', ')}`)).toBe('');
  });
});
