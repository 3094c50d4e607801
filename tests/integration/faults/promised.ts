/**
 * What is promised where a master's store is lost or another master takes over, after the README's
 * table "What each w promises": what a majority holds survives. An entry that was acknowledged with
 * w=1 before that may be there or not; where it is, it is where it was said to be.
 */
import type { Entry } from '#protocol/entry';
import { expectConverged } from '#tests/support/checks/converged';
import type { Clients } from '#tests/support/http/clients';
import type { RealCluster } from '#tests/support/real/cluster';

/**
 * As `expectConverged`, with what was promised and no more.
 * @param toldBefore so many acknowledgements had come when the store was lost, or the other master reigned; every later one is held to
 */
export async function expectPromised(
  cluster: Pick<RealCluster, 'agreed'>,
  { sent, acknowledged }: Clients,
  toldBefore: number,
): Promise<readonly Entry[]> {
  const held = acknowledged.filter(({ w }, at) => w !== 1 || at >= toldBefore);
  const log = await expectConverged(cluster, { sent, acknowledged: held });
  const seqs = new Map(log.map(({ id, seq }) => [id, seq]));
  expect(acknowledged.filter(({ id, seq }) => (seqs.get(id) ?? seq) !== seq)).toEqual([]);
  return log;
}
