// @ts-check
/** The state of the cluster in one sentence, for whoever is woken by it: what is wrong, what it means, what to do. */

/** More lines than this would push everything else off the screen; the table below has them all. */
const BACKENDS_NAMED_COUNT = 5;

/** @typedef {{ tone: 'good' | 'warn' | 'bad', title: string, details: string[] }} Overview */

/** @param {string[]} names */
const listed = (names) => (names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`);

/** @param {string[]} names */
const are = (names) => (names.length === 1 ? 'is' : 'are');

/** @param {any} status @param {any[]} members @param {any[]} health @returns {Overview} */
export function overview(status, members, health) {
  const gone = members.filter(({ alive }) => !alive).map(({ id }) => id);
  const down = health.filter(({ verdict, avoidedHere }) => (verdict !== 'up' && verdict !== 'unknown') || avoidedHere);
  const troubles = [...nodeTroubles(members), ...backendTroubles(down, health), ...status.warnings];
  if (!status.quorum) {
    const age = Math.round((status.staleMs ?? 0) / 1000);
    return {
      tone: 'bad',
      title: `No quorum${gone.length === 0 ? '' : `: ${listed(gone)} cannot be reached from ${status.node.id}`}`,
      details: [
        `Traffic goes on with what was agreed ${age} s ago; this node itself goes round backends that it cannot reach.`,
        'Changes are refused until a majority is back. Start the missing nodes or heal the network: nothing else needs a hand.',
        ...backendTroubles(down, health),
        ...status.warnings,
      ],
    };
  }
  if (gone.length > 0)
    return {
      tone: 'warn',
      title: `${listed(gone)} ${are(gone)} gone`,
      details: [
        `The other nodes carry the traffic. Start ${listed(gone)} again, or, if the machine is lost: flotilla members remove ${gone[0]}.`,
        ...troubles,
      ],
    };
  if (troubles.length > 0) return { tone: 'warn', title: 'Needs a look', details: troubles };
  const backends = `${health.length} ${health.length === 1 ? 'backend' : 'backends'} up`;
  return { tone: 'good', title: `All is well: ${members.length} nodes ready, ${backends}`, details: [] };
}

/** @param {any[]} members @returns {string[]} */
function nodeTroubles(members) {
  return members
    .filter(({ alive, ready }) => alive && !ready)
    .map(({ id, drain, reasons }) =>
      drain === null
        ? `${id} is not ready: ${reasons.join('; ')}`
        : `${id} is taken out of service (${drain.phase}); undo: flotilla undrain ${id}`,
    );
}

/** @param {any[]} down @param {any[]} health @returns {string[]} */
function backendTroubles(down, health) {
  const pools = [...new Set(down.map(({ pool }) => pool))];
  const dead = pools.filter((pool) => health.every((one) => one.pool !== pool || down.includes(one)));
  const others = down.filter(({ pool }) => !dead.includes(pool));
  const unnamed = others.length - BACKENDS_NAMED_COUNT;
  return [
    ...dead.map((pool) => `No backend of pool ${pool} is up: its requests are answered 503.`),
    ...others
      .slice(0, BACKENDS_NAMED_COUNT)
      .map(({ pool, backend, verdict, reason, avoidedHere }) =>
        avoidedHere ? `${pool}/${backend} is avoided by this node` : `${pool}/${backend} is ${verdict}: ${reason}`,
      ),
    ...(unnamed > 0 ? [`… and ${unnamed} more ${unnamed === 1 ? 'backend' : 'backends'} not up`] : []),
  ];
}
