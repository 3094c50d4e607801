/**
 * The end of a run: a majority of the voters is lost for good, disks and all, and an operator
 * forces a new list. It is the last act, because what only the lost voters had is given up by it.
 * Of those who are left one is behind, so that it matters from whom the log goes on; and the best
 * one has everything, so that what was acknowledged can still be asked for.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Entry } from '#protocol/entry';
import { Violation } from '#tests/simulation/checks/violation';
import type { ChaosClients } from '../chaos-clients';
import { MASTERS, SECONDARIES } from '../chaos-cluster';
import type { ChaosParts, ChaosView } from '../view';
import type { Struck } from './fault';

const ENTRIES_AHEAD = 20;
/** So long nothing may begin by itself: several times what a node that is silent is waited for. */
const SILENCE_MS = 10_000;
const FORCED_MS = 60_000;
const ANSWER_MS = 5_000;
export class LastAct {
  /** Entries of the best survivor, when the majority was lost. */
  private left: readonly string[] = [];
  private best = '';
  private cutsBefore = 0;
  /**
   * The lock goes to and fro between two masters of which neither reigns: whoever does not have it
   * names the other.
   */
  private asksOther = false;

  constructor(
    private readonly parts: ChaosParts,
    private readonly view: ChaosView,
    private readonly clients: ChaosClients,
  ) {}

  async strike(): Promise<Struck> {
    const { cluster, random } = this.parts;
    if (!(await this.view.untilAllVote())) throw new Violation('L1', 'not every node becomes a voter again');
    const holder = this.view.holder();
    const successor = MASTERS.find((node) => node !== holder) ?? 'standby';
    const [best = '', behind = '', ...lostSecondaries] = random.shuffle(SECONDARIES);
    const lost = [holder, ...lostSecondaries];
    await cluster.kill(behind);
    for (let count = 0; count < ENTRIES_AHEAD; count += 1) await this.clients.append(holder, 'majority');
    await this.untilLevel(holder, best);
    await Promise.all(lost.map((node) => cluster.kill(node)));
    for (const node of lost) cluster.wipe(node);
    this.best = best;
    this.left = await this.entriesOf(best);
    this.cutsBefore = this.cuts();
    await cluster.start(behind);
    // Nodes that come back with nothing are no reason to begin either.
    if (random.chance(0.5)) await Promise.all(lost.map((node) => cluster.start(node)));
    await this.checkSilence();
    const isForced = await this.force(successor);
    await Promise.all(lost.map((node) => cluster.start(node)));
    return { node: successor, isSeen: isForced };
  }

  /** The log as all nodes hold it at the end. */
  judge(log: readonly Entry[]): void {
    const { left, best } = this;
    if (best === '') return;
    for (const [at, text] of left.entries())
      if (JSON.stringify(log[at]) !== text)
        throw new Violation(
          'S4',
          `${best} held ${text} when an operator forced, and the log has ${JSON.stringify(log[at])}`,
        );
    if (log.length <= left.length) throw new Violation('L1', 'nothing was appended after the force');
    if (this.cuts() !== this.cutsBefore) throw new Violation('S6', `${best} has cut its log after a force from it`);
  }

  /** Nobody begins anything: no append is taken, nobody is elected, the best log stays as it is. */
  private async checkSilence(): Promise<void> {
    const { cluster } = this.parts;
    const reigns = () => MASTERS.reduce((sum, node) => sum + cluster.everLogged(node, 'reigns'), 0);
    const before = reigns();
    const until = performance.now() + SILENCE_MS;
    while (performance.now() < until) {
      for (const node of MASTERS) {
        const outcome = await this.clients.append(node, 1);
        if (outcome === 'ok')
          throw new Violation('S4', `${node} takes an append, with a majority of the voters lost and nothing forced`);
      }
      if (reigns() !== before) throw new Violation('S4', 'a master reigns, with a majority lost and nothing forced');
      await this.checkBest();
      await pause(500);
    }
  }

  private async checkBest(): Promise<void> {
    const now = await this.entriesOf(this.best);
    if (now.length !== this.left.length || now.some((text, at) => text !== this.left[at]))
      throw new Violation('S6', `${this.best} held ${this.left.length} entries, and now others: ${now.length}`);
  }

  /**
   * Asked again and again, as the answers say. It is ready when it would begin with all that the
   * best one has.
   */
  private async force(node: string): Promise<boolean> {
    const { cluster, say } = this.parts;
    const headers = { 'Content-Type': 'application/json' };
    const body = JSON.stringify({ log: cluster.log });
    let last = '';
    for (const deadline = performance.now() + FORCED_MS; performance.now() < deadline; await pause(300)) {
      const asked = { method: 'POST', path: '/members/force', headers, body, withinMs: ANSWER_MS };
      const answer = await cluster.ask(this.reigningOr(node), asked).catch(() => null);
      if (answer?.status === 202) {
        const { lastSeq } = answer.json();
        if (lastSeq !== this.left.length)
          throw new Violation(
            'S4',
            `a force begins at ${lastSeq}, and ${this.best} has ${this.left.length}: ${answer.text}`,
          );
        return true;
      }
      const said = answer === null ? 'no answer' : `${answer.status} ${String(answer.json().title)}`;
      if (said !== last) say(`force at ${this.reigningOr(node)}: ${answer?.text ?? said}`);
      last = said;
      this.asksOther = String(answer?.json().type) === '/problems/standby' && !this.asksOther;
    }
    throw new Violation('L1', `no force within ${FORCED_MS} ms: ${last}`);
  }

  private reigningOr(node: string): string {
    return this.asksOther ? (MASTERS.find((each) => each !== node) ?? node) : node;
  }

  private async untilLevel(holder: string, node: string): Promise<void> {
    const isLevel = async () =>
      (await this.view.members())?.find(({ id }) => id === node)?.acked === (await this.view.health(holder))?.head;
    if (!(await this.view.seen(isLevel))) throw new Violation('L1', `${node} does not get level with ${holder}`);
  }

  private async entriesOf(node: string): Promise<string[]> {
    const { text } = await this.parts.cluster.ask(node, { path: '/messages', withinMs: 30_000 });
    return (JSON.parse(text) as Entry[]).map((entry) => JSON.stringify(entry));
  }

  private cuts(): number {
    const { cluster } = this.parts;
    const sentences = ['truncates records that were never committed', 'truncates records that the forced branch lacks'];
    return sentences.reduce((sum, sentence) => sum + cluster.everLogged(this.best, sentence), 0);
  }
}
