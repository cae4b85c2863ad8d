/**
 * A lock between processes on one directory. It appears with its owner's name in it by one rename, which fails where another
 * one stands (a directory that is not empty): nobody ever sees a lock without an owner. The holder touches it while it works, so a lock
 * whose holder died (or lives in another pid namespace and died there) is recognised by its age and taken over.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

const HEARTBEAT_MS = 2_000;
const STALE_AFTER_MS = 30_000;
const POLL_MS = 250;
/** What rename says where a lock stands already. */
const TAKEN = new Set(['ENOTEMPTY', 'EEXIST']);

const pause = (ms) => new Promise((wake) => setTimeout(wake, ms));

function tryTake(directory) {
  const own = `${directory}.${process.pid}`;
  mkdirSync(own, { recursive: true });
  writeFileSync(join(own, 'owner.json'), JSON.stringify({ pid: process.pid, host: hostname() }));
  try {
    renameSync(own, directory);
    return true;
  } catch (error) {
    rmSync(own, { recursive: true, force: true });
    if (TAKEN.has(error.code)) return false;
    throw error;
  }
}

/** Aside first: a lock that is removed piece by piece would be an empty directory for a moment, free for the taking. */
function release(directory) {
  const aside = `${directory}.released-${process.pid}`;
  try {
    renameSync(directory, aside);
    rmSync(aside, { recursive: true, force: true });
  } catch (error) {
    // Taken over meanwhile, and that holder is done too.
    if (error.code !== 'ENOENT') throw error;
  }
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
    // Gone already; or a third took the place of the one to be put back, which then stands for both.
    if (error.code !== 'ENOENT' && !TAKEN.has(error.code)) throw error;
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
    release(directory);
  }
}
