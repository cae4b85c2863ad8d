/**
 * `npm test`: sets the clone up, then runs every check that needs no container engine, with progress and the time of each.
 *
 * The last line is `N passed, N failed` (`, N skipped`): vitest's tests, and each other check counted as one. The exit code
 * is 1 where anything failed. `--only unit,repo` and `--skip integration` choose steps, `--list` names them; what follows
 * `--` goes to vitest.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { bootstrapOrExit, nodeBinary, root, tools } from './bootstrap.mjs';

const HEARTBEAT_MS = 30_000;
const STEP_LIMIT_MS = 30 * 60_000;
const EXIT_USAGE = 64;

const bin = (name) => join(root, 'node_modules', name);

/** In the order they run: what fails fastest first. */
const steps = [
  { name: 'typecheck', command: [bin('typescript/bin/tsc'), '-p', '.'] },
  { name: 'typecheck-page', command: [bin('typescript/bin/tsc'), '--noEmit', '-p', 'packages/dashboard'] },
  { name: 'lint', command: [bin('oxlint/bin/oxlint'), '--type-aware', '--deny-warnings'] },
  { name: 'format', command: [bin('@biomejs/biome/bin/biome'), 'format'] },
  { name: 'knip', command: [bin('knip/bin/knip.js'), '--treat-config-hints-as-errors'] },
  { name: 'unit', vitest: 'unit', retold: true },
  { name: 'repo', vitest: 'repo' },
  { name: 'integration', vitest: 'integration', retold: true },
  { name: 'containers', vitest: 'containers', retold: true, optIn: true },
];

/**
 * What uses real sockets, disks and processes may fail on a busy machine for its sake: as many files are told once more, each by
 * itself, and named. What fails twice, or more files than these, fails; so does a property for which an example against it
 * was found, because a second telling would draw others.
 */
const RETOLD_MAX = 2;
const COUNTEREXAMPLE = /Property failed after/;
const MESSAGE_MAX_CHARS = 400;

function usage(fault) {
  const names = steps.map((step) => step.name).join(',');
  console.error(
    `test: ${fault}\nusage: npm test -- [--only STEP,…] [--skip STEP,…] [--list] [-- vitest arguments]\nsteps: ${names}`,
  );
  process.exit(EXIT_USAGE);
}

function parseArguments(argv) {
  const options = { only: undefined, skip: [], rest: [] };
  const stepNames = (value, flag) => {
    const names = (value ?? usage(`${flag} needs a step`)).split(',');
    for (const name of names) if (!steps.some((step) => step.name === name)) usage(`unknown step ${name}`);
    return names;
  };
  for (let index = 0; index < argv.length; index += 1) {
    const [flag, inline] = argv[index].split('=', 2);
    if (flag === '--') {
      options.rest = argv.slice(index + 1);
      break;
    }
    if (flag === '--list') {
      console.log(steps.map((step) => step.name + (step.optIn ? ' (only when named)' : '')).join('\n'));
      process.exit(0);
    }
    if (flag !== '--only' && flag !== '--skip') usage(`unknown argument ${argv[index]}`);
    const value = inline ?? argv[(index += 1)];
    if (flag === '--only') options.only = stepNames(value, flag);
    else options.skip = stepNames(value, flag);
  }
  return options;
}

const seconds = (sinceMs) => `${((Date.now() - sinceMs) / 1000).toFixed(1)} s`;

/** Runs one command in its own process group, so that a step that hangs can be ended with all that it started. */
function execute(name, args) {
  const startedMs = Date.now();
  const path = [join(tools, 'bin'), dirname(nodeBinary), process.env.PATH].join(delimiter);
  const child = spawn(nodeBinary, args, {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, PATH: path, UV_THREADPOOL_SIZE: process.env.UV_THREADPOOL_SIZE ?? '16' },
  });
  const end = (signal) => {
    try {
      process.kill(-child.pid, signal);
    } catch {
      // It has ended by itself meanwhile.
    }
  };
  const interrupted = (signal) => {
    end(signal);
    process.exit(130);
  };
  process.on('SIGINT', interrupted);
  process.on('SIGTERM', interrupted);
  const heartbeat = setInterval(() => console.log(`… ${name}: ${seconds(startedMs)}`), HEARTBEAT_MS);
  const limit = setTimeout(() => {
    console.log(`${name}: no end after ${STEP_LIMIT_MS / 60_000} minutes, ended`);
    end('SIGKILL');
  }, STEP_LIMIT_MS);
  return new Promise((settle) => {
    const finish = (ok) => {
      clearInterval(heartbeat);
      clearTimeout(limit);
      process.off('SIGINT', interrupted);
      process.off('SIGTERM', interrupted);
      settle(ok);
    };
    child.once('error', (error) => {
      console.log(`${name}: ${error.message}`);
      finish(false);
    });
    child.once('close', (code) => finish(code === 0));
  });
}

/** vitest's own counts; a run that fails without a failed test (a file that does not load, a stray error) counts as one. */
async function runVitest(step, rest, scratch) {
  const first = await runProject(step, rest, scratch);
  if (first.counts.failed === 0) return first.counts;
  const { failedFiles } = first;
  const faults = failedFiles.flatMap(faultsOf);
  const counts = { ...first.counts, faults };
  if (!step.retold || failedFiles.length === 0 || failedFiles.length > RETOLD_MAX) return counts;
  if (faults.some((fault) => COUNTEREXAMPLE.test(fault))) return counts;
  const names = failedFiles.map((file) => relative(root, file.name)).join(', ');
  console.log(`\n${step.name}: failed, told once more: ${names}`);
  const second = await runProject(
    step,
    failedFiles.map((file) => file.name),
    scratch,
  );
  if (second.counts.failed > 0) {
    const again = second.failedFiles.flatMap(faultsOf).map((fault) => `${fault} (when told once more)`);
    return { ...counts, faults: [...faults, ...again] };
  }
  console.log(`${step.name}: passed when told once more: ${names}`);
  const isPassed = (test) => test.status === 'passed';
  const passedBefore = failedFiles.flatMap((file) => file.assertionResults).filter(isPassed).length;
  return {
    passed: counts.passed - passedBefore + second.counts.passed,
    failed: 0,
    skipped: counts.skipped,
    faults: faults.map((fault) => `${fault} (passed when told once more)`),
  };
}

/** A line for each failed test of a file: its name, and the beginning of what was wrong. */
function faultsOf(file) {
  const failed = file.assertionResults.filter((test) => test.status === 'failed');
  const lines = failed.map(
    (test) => `${test.fullName}: ${(test.failureMessages ?? []).join(' ').split('\n    at ')[0]}`,
  );
  const whole = lines.length > 0 ? lines : [file.message ?? 'failed as a whole'];
  return whole.map((line) => `${relative(root, file.name)} > ${line.replace(/\s+/g, ' ').slice(0, MESSAGE_MAX_CHARS)}`);
}

async function runProject(step, rest, scratch) {
  const report = join(scratch, `${step.name}.json`);
  const reporters = ['--reporter=verbose', '--reporter=json', `--outputFile.json=${report}`];
  const ok = await execute(step.name, [
    bin('vitest/vitest.mjs'),
    'run',
    '--project',
    step.vitest,
    ...reporters,
    ...rest,
  ]);
  let counts = { passed: 0, failed: 0, skipped: 0 };
  let failedFiles = [];
  try {
    const json = JSON.parse(readFileSync(report, 'utf8'));
    counts = {
      passed: json.numPassedTests,
      failed: json.numFailedTests,
      skipped: json.numPendingTests + json.numTodoTests,
    };
    failedFiles = json.testResults.filter((file) => file.status === 'failed');
  } catch {
    console.log(`${step.name}: vitest left no report`);
    counts.failed = ok ? 1 : 0;
  }
  if (!ok && counts.failed === 0) counts.failed = 1;
  return { counts, failedFiles };
}

async function runStep(step, rest, scratch) {
  const startedMs = Date.now();
  console.log(`\n── ${step.name} ${'─'.repeat(Math.max(2, 60 - step.name.length))}`);
  let counts;
  if (step.vitest !== undefined) counts = await runVitest(step, rest, scratch);
  else if (await execute(step.name, step.command)) counts = { passed: 1, failed: 0, skipped: 0 };
  else counts = { passed: 0, failed: 1, skipped: 0 };
  const took = seconds(startedMs);
  console.log(`── ${step.name}: ${counts.failed === 0 ? 'ok' : 'FAILED'} (${took})`);
  return { name: step.name, took, ...counts };
}

const options = parseArguments(process.argv.slice(2));
const chosen = steps.filter((step) =>
  options.only === undefined ? !step.optIn && !options.skip.includes(step.name) : options.only.includes(step.name),
);
await bootstrapOrExit();

const startedMs = Date.now();
const scratch = mkdtempSync(join(tmpdir(), 'flotilla-test-'));
// On exit, because an interrupted run ends there.
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));
const results = [];
for (const step of chosen) results.push(await runStep(step, options.rest, scratch));

const sum = (field) => results.reduce((total, result) => total + result[field], 0);
console.log('');
for (const { name, took, passed, failed, skipped, faults } of results) {
  const verdict = failed === 0 ? 'ok' : 'FAILED';
  console.log(
    `${verdict.padEnd(7)}${name.padEnd(12)}${took.padStart(9)}  ${passed} passed, ${failed} failed, ${skipped} skipped`,
  );
  for (const fault of faults ?? []) console.log(`         ${fault}`);
}
console.log(`in ${seconds(startedMs)}`);
const skipped = sum('skipped');
console.log(`${sum('passed')} passed, ${sum('failed')} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = sum('failed') > 0 ? 1 : 0;
