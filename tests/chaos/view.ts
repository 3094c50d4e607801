/**
 * What the troublemakers of a chaos run see of the cluster: who reigns, who has a vote, and whether
 * something has come to pass.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { SeededRandom } from '../support/seeded-random';
import { type ChaosCluster, MASTERS, SECONDARIES } from './chaos-cluster';
import type { Observer } from './observer';

/** What a fault is made with. */
export interface ChaosParts {
  readonly cluster: ChaosCluster;
  readonly observer: Observer;
  readonly random: SeededRandom;
  readonly clock: () => number;
  readonly say: (line: string) => void;
}

interface MemberShown {
  readonly id: string;
  readonly voter: boolean;
  readonly acked: number;
}

const EFFECT_MS = 8_000;
const ALL_VOTE_MS = 30_000;
const ANSWER_MS = 1_500;
const REIGNING = ['ok', 'degraded', 'read-only'];

export class ChaosView {
  constructor(private readonly parts: Pick<ChaosParts, 'cluster' | 'observer'>) {}

  /** The master that reigns, as last seen. */
  holder(): string {
    const { observer } = this.parts;
    return MASTERS.find((node) => REIGNING.includes(observer.latest(node)?.status ?? '')) ?? 'master';
  }

  /** Null: no answer. */
  async health(node: string): Promise<Record<string, unknown> | null> {
    const answer = await this.parts.cluster.ask(node, { path: '/health', withinMs: ANSWER_MS }).catch(() => null);
    return answer?.status === 200 ? answer.json() : null;
  }

  /** As the master that reigns says; null: no answer. */
  async members(): Promise<readonly MemberShown[] | null> {
    const { cluster } = this.parts;
    const answer = await cluster.ask(this.holder(), { path: '/members', withinMs: ANSWER_MS }).catch(() => null);
    return answer?.status === 200 ? (JSON.parse(answer.text) as MemberShown[]) : null;
  }

  /** Is everybody up, and a voter? */
  async allVote(): Promise<boolean> {
    if ((await this.health(this.holder()))?.status !== 'ok') return false;
    const members = await this.members();
    return members?.length === SECONDARIES.length && members.every(({ voter }) => voter);
  }

  untilAllVote(): Promise<boolean> {
    return this.seen(() => this.allVote(), ALL_VOTE_MS);
  }

  newStores(): number {
    const { cluster } = this.parts;
    return MASTERS.reduce((sum, node) => sum + cluster.everLogged(node, 'joins with another store'), 0);
  }

  /** Looks until it is so, or time is up. */
  async seen(condition: () => boolean | Promise<boolean>, withinMs = EFFECT_MS): Promise<boolean> {
    const deadline = performance.now() + withinMs;
    while (!(await condition())) {
      if (performance.now() >= deadline) return false;
      await pause(50);
    }
    return true;
  }
}
