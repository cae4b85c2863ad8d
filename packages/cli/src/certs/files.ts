/**
 * Where certificates and keys are kept: plain PEM files in one directory. Keys are readable by their owner only, nothing is
 * overwritten without being asked to, and a file is there whole or not at all.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EXIT, errorText } from '@flotilla/shared';
import { CliError } from '../cli-error.ts';
import type { PemPair } from './authority.ts';

const PUBLIC_MODE = 0o644;
export const SECRET_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

export interface PairFiles {
  readonly cert: string;
  readonly key: string;
}

/** `ca.pem` and `ca-key.pem`, `n1.pem` and `n1-key.pem`. */
export const filesOf = (directory: string, name: string): PairFiles => ({
  cert: join(directory, `${name}.pem`),
  key: join(directory, `${name}-key.pem`),
});

/** Before anything is made: says which file is in the way. */
export function refuseToOverwrite(paths: readonly string[], force: boolean): void {
  const there = paths.filter((path) => existsSync(path));
  if (force || there.length === 0) return;
  throw new CliError(EXIT.failure, `${there.join(' and ')} exist already: --force overwrites, --dir writes elsewhere`);
}

export function writePair(files: PairFiles, pair: PemPair): void {
  writeWhole(files.key, pair.keyPem, SECRET_MODE);
  writeWhole(files.cert, pair.certPem, PUBLIC_MODE);
}

/** The mode holds from the first byte on. */
export function writeWhole(path: string, text: string, mode: number): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
    const temporary = `${path}.new`;
    writeFileSync(temporary, text, { mode, flag: 'w' });
    chmodSync(temporary, mode);
    renameSync(temporary, path);
  } catch (error) {
    throw new CliError(EXIT.disk, `${path} cannot be written: ${errorText(error)}`);
  }
}

export function readText(path: string, missing: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new CliError(EXIT.failure, `${path} cannot be read (${errorText(error)}): ${missing}`);
  }
}
