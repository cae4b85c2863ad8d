/**
 * Zones: work stays in the node's own zone while that zone can carry it, and spills to the others when it cannot.
 *
 * "Can carry it" means at least half of what an average zone has. Only for algorithms that are local anyway: a hash must give the
 * same answer on every node, wherever it stands.
 */

const MIN_OF_AVERAGE_RATIO = 0.5;

export interface Zoned {
  readonly zone: string;
  readonly weight: number;
}

/** The members in the order in which they should serve: one group, or the own zone before the rest. */
export function splitByZone<T>(members: readonly T[], own: string, zoned: (member: T) => Zoned): (readonly T[])[] {
  if (own === '') return [members];
  const zones = new Set<string>();
  let total = 0;
  let ownWeight = 0;
  for (const member of members) {
    const { zone, weight } = zoned(member);
    zones.add(zone);
    total += weight;
    if (zone === own) ownWeight += weight;
  }
  if (zones.size < 2 || ownWeight * zones.size < total * MIN_OF_AVERAGE_RATIO) return [members];
  const inOwn = (member: T): boolean => zoned(member).zone === own;
  return [members.filter(inOwn), members.filter((member) => !inOwn(member))];
}
