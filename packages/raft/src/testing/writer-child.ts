/** Child of `storage/kill.test.ts`: writes as fast as it can and says what was acknowledged, until it is killed. Not a test. */
import { batch, CONF, entries, hard, IDENTITY } from './storage-suite.ts';
import { openStorage } from '../storage/level-storage.ts';

const { storage, recovered } = await openStorage({ directory: process.argv[2] ?? '' });
if (recovered.faults.length > 0) throw new Error(recovered.faults.join('; '));
if (recovered.identity === null) await storage.initialise(IDENTITY, CONF);
let index = recovered.entries.at(-1)?.index ?? 0;
let term = recovered.hard.term;
for (let round = 0; ; round++) {
  // Now and then the tail is replaced by a later term, as after a change of leaders.
  const cut = round % 5 === 4 && index > 3;
  if (cut) {
    index -= 3;
    term++;
  }
  const append = entries(index + 1, index + 4, term);
  await storage.persist(
    batch({ hard: hard(term, Math.max(0, index - 3)), truncateFrom: cut ? index + 1 : null, append }),
  );
  index += 4;
  process.stdout.write(`${index} ${term}\n`);
}
