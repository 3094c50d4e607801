/**
 * What an operator does to the members: one is taken out of the log and in again, one is started
 * long after the others.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { LATE } from '../chaos-cluster';
import type { ChaosParts, ChaosView } from '../view';
import type { Struck } from './fault';

const ANSWER_MS = 10_000;
const DONE_MS = 30_000;

export class MemberFaults {
  constructor(
    private readonly parts: ChaosParts,
    private readonly view: ChaosView,
  ) {}

  async removeAndAdmit(node: string): Promise<Struck> {
    const { random, say } = this.parts;
    if (!(await this.view.untilAllVote())) return { node, isSeen: false };
    const isRemoved = await this.view.seen(() => this.isAnswered(204, 'DELETE', `/members/${node}`), DONE_MS);
    const saysSo = isRemoved && (await this.view.seen(() => this.saysRemoved(node)));
    await pause(1_000 + random.below(4_000));
    const admit = () => this.isAnswered(201, 'POST', '/members', { id: node });
    const isAdmitted = await this.view.seen(admit, isRemoved ? DONE_MS : 0);
    const isBack = await this.view.seen(() => this.isCaughtUp(node), DONE_MS);
    if (!saysSo || !isAdmitted || !isBack)
      say(`${node}: removed ${isRemoved}, said so ${saysSo}, admitted ${isAdmitted}, caught up ${isBack}`);
    return { node, isSeen: saysSo && isAdmitted && isBack };
  }

  async startLate(): Promise<Struck> {
    await this.parts.cluster.start(LATE);
    return { node: LATE, isSeen: await this.view.seen(() => this.isCaughtUp(LATE), DONE_MS) };
  }

  private async isAnswered(status: number, method: string, path: string, body?: unknown): Promise<boolean> {
    const { cluster, say } = this.parts;
    const headers = { 'Content-Type': 'application/json' };
    const asked = { method, path, withinMs: ANSWER_MS, headers, ...(body ? { body: JSON.stringify(body) } : {}) };
    const answer = await cluster.ask(this.view.holder(), asked).catch(() => null);
    if (answer?.status === status) return true;
    say(`${method} ${path}: ${answer === null ? 'no answer' : `${answer.status} ${answer.text.slice(0, 300)}`}`);
    await pause(300);
    // An answer that was lost may have been this one: what was asked for is so, or it is not.
    const names = (await this.view.members())?.map(({ id }) => id) ?? null;
    const node = method === 'DELETE' ? path.slice('/members/'.length) : (body as { id: string }).id;
    return names !== null && names.includes(node) === (method === 'POST') && answer === null;
  }

  private async saysRemoved(node: string): Promise<boolean> {
    const { cluster } = this.parts;
    const health = await this.view.health(node);
    const ready = await cluster.ask(node, { path: '/readyz', withinMs: ANSWER_MS }).catch(() => null);
    return health?.status === 'removed' && ready?.status === 503;
  }

  private async isCaughtUp(node: string): Promise<boolean> {
    const health = await this.view.health(node);
    const member = (await this.view.members())?.find(({ id }) => id === node);
    return health?.status === 'ok' && member?.voter === true;
  }
}
