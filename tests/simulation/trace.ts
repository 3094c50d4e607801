/** What happened in a run: a hash of all of it, and the last steps in words. */

import type { Shown } from './model/sim-process';

interface Step {
  readonly at: number;
  readonly node: string;
  readonly event: { readonly type: string };
  readonly effects: readonly { readonly do: string }[];
  readonly state: string | null;
}

const STEPS_KEPT = 600;

export class RunTrace {
  hash = 0x811c9dc5;
  steps = 0;
  /** Keeps every step with the node's state; slow. */
  isFull = false;
  private readonly kept: Step[] = [];
  private readonly codes = new Map<string, number>();

  record(
    at: number,
    step: { node: string; event: { type: string }; effects: readonly { do: string }[] },
    shown: Shown,
  ): void {
    this.steps += 1;
    const { node, event, effects } = step;
    this.mix(at);
    this.mix(this.codeOf(node));
    this.mix(this.codeOf(event.type));
    for (const effect of effects) this.mix(this.codeOf(effect.do));
    this.mix(shown.outline.lastIndex);
    this.mix(shown.outline.lastEpoch);
    this.mix(shown.durableIndex);
    this.mix(shown.commit);
    if (event.type === 'tick' && effects.length === 0) return;
    const kept = { at, node, event, effects, state: this.isFull ? `${shown}` : null };
    if (this.isFull || this.kept.length < STEPS_KEPT) this.kept.push(kept);
    else this.kept[this.steps % STEPS_KEPT] = kept;
  }

  note(at: number, what: string): void {
    this.mix(at);
    this.mix(this.codeOf(what.split(' ')[0] ?? ''));
    const kept = { at, node: '---', event: { type: what }, effects: [], state: null };
    if (this.isFull || this.kept.length < STEPS_KEPT) this.kept.push(kept);
    else this.kept[(this.steps + 7) % STEPS_KEPT] = kept;
  }

  lines(): string[] {
    const ordered = [...this.kept].sort((a, b) => a.at - b.at);
    return ordered.map(({ at, node, event, effects, state }) => {
      const line = `${at} ${node} ${brief(event)} → ${effects.map(brief).join(' | ')}`;
      return state === null ? line : `${line}\n        ${state}`;
    });
  }

  private mix(value: number): void {
    this.hash = Math.imul(this.hash ^ value, 0x01000193) >>> 0;
  }

  private codeOf(word: string): number {
    const known = this.codes.get(word);
    if (known !== undefined) return known;
    let code = 0x811c9dc5;
    for (let at = 0; at < word.length; at += 1) code = Math.imul(code ^ word.charCodeAt(at), 0x01000193);
    this.codes.set(word, code);
    return code;
  }
}

/** An event or an effect in one line, with records as places. */
function brief(thing: object): string {
  const text = JSON.stringify(thing, (key, value: unknown) => {
    if (key === 'records' && Array.isArray(value))
      return (value as { index: number; epoch: number }[]).map(({ index, epoch }) => `${index}@${epoch}`).join(',');
    return key === 'ts' || key === 'httpUrl' || key === 'random' ? undefined : value;
  });
  return text.replaceAll('"', '').slice(0, 400);
}
