/** The completion script works in a real shell. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { buildProgram } from '../program.ts';
import { completionScript } from './completion.ts';

function complete(...words: readonly string[]): string[] {
  const script = `${completionScript(buildProgram(), 'bash')}
COMP_WORDS=(flotilla ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; _flotilla
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
  expect(stderr).toBe('');
  return stdout.trim().split('\n');
}

it('completes commands and their options', () => {
  expect(complete('wei')).toEqual(['weight']);
  expect(complete('un')).toEqual(['undrain']);
  expect(complete('apply', '--y')).toEqual(['--yes']);
  expect(complete('node', '--raft-')).toEqual(['--raft-listen', '--raft-advertise']);
});

it('completes subcommands, what they take, and the values of options', () => {
  expect(complete('certs', 'i')).toEqual(['init', 'issue']);
  expect(complete('certs', 'issue', '--ho')).toEqual(['--host']);
  expect(complete('members', 'rem')).toEqual(['remove']);
  expect(complete('status', '--output', '')).toEqual(['table', 'json', 'yaml']);
  expect(complete('members', 'remove', '-o', 'j')).toEqual(['json']);
  expect(complete('completion', 'z')).toEqual(['zsh']);
  expect(complete('demo', '--da')).toEqual(['--data']);
});
