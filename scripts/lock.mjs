/**
 * A lock between processes on one directory: `mkdir` is atomic everywhere. The holder touches it while it works, so a lock
 * whose holder died (or lives in another pid namespace and died there) is recognised by its age and taken over.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

const HEARTBEAT_MS = 2_000;
const STALE_AFTER_MS = 30_000;
const POLL_MS = 250;

const pause = (ms) => new Promise((wake) => setTimeout(wake, ms));

function tryTake(directory) {
  try {
    mkdirSync(directory);
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
  writeFileSync(join(directory, 'owner.json'), JSON.stringify({ pid: process.pid, host: hostname() }));
  return true;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function holderOf(directory) {
  try {
    return JSON.parse(readFileSync(join(directory, 'owner.json'), 'utf8'));
  } catch {
    return undefined;
  }
}

function isStale(directory) {
  const holder = holderOf(directory);
  if (holder?.host === hostname() && !isAlive(holder.pid)) return true;
  try {
    return Date.now() - statSync(directory).mtimeMs > STALE_AFTER_MS;
  } catch {
    return false;
  }
}

/**
 * By rename, so that of several waiters only one removes it. If another waiter was faster and what was moved is its fresh
 * lock, it goes back.
 */
function discard(directory, stalePid) {
  const aside = `${directory}.stale-${process.pid}`;
  try {
    renameSync(directory, aside);
    if (holderOf(aside)?.pid !== stalePid) return renameSync(aside, directory);
    rmSync(aside, { recursive: true, force: true });
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  return undefined;
}

/** Runs `work` while holding the lock; waits for it as long as its holder is alive. */
export async function withLock(directory, say, work) {
  let told = false;
  while (!tryTake(directory)) {
    const stalePid = holderOf(directory)?.pid;
    if (isStale(directory)) {
      discard(directory, stalePid);
      continue;
    }
    if (!told) say(`waiting for the set-up that process ${holderOf(directory)?.pid ?? '?'} is doing`);
    told = true;
    await pause(POLL_MS);
  }
  const heartbeat = setInterval(() => {
    try {
      utimesSync(directory, new Date(), new Date());
    } catch {
      // The lock was judged stale and taken over (a machine that slept): the work itself is still safe by rename.
    }
  }, HEARTBEAT_MS);
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    rmSync(directory, { recursive: true, force: true });
  }
}
