/**
 * The clients of a run: they append with every w, with and without ids, alone, in bulk and several
 * that share an event; give up, leave, try again at whichever master answers. One in a while two of
 * them use the same id at once, one asks for another text under an id that was used before, and one
 * for an id that a master will give. A client that never gives up waits for ever: it must be
 * answered in the end.
 */
import type { Answer } from '#master/core/events';
import { generatedId } from '#protocol/entry';
import { majority, type WriteConcern } from '#protocol/write-concern';
import type { SeededRandom } from '#tests/support/seeded-random';
import { BrokenInvariant } from '../checks/broken-invariant';
import type { History, Operation } from '../checks/history';
import type { Readers } from '../checks/readers';
import { Violation } from '../checks/violation';
import type { MasterProcess } from './master-process';
import type { World } from './world';

interface Attempt {
  readonly operation: Operation;
  readonly ids: readonly (string | null)[];
  readonly writeConcern: WriteConcern;
  readonly process: MasterProcess;
  readonly triesLeft: number;
}

/** Ids of which one may be used for another text. */
const RECENT_IDS = 20;

interface ClientWishes {
  readonly count: number;
  readonly thinkMs: number;
  /** Whatever is acknowledged stays, with any w. */
  readonly keepsAll: boolean;
}

export class Clients {
  /** Attempts without an answer. */
  readonly open = new Set<Attempt>();
  private isOver = false;
  private texts = 0;
  /** In some runs, drawn apart, several appends at once share an event instead of being one. */
  private readonly isSharing: boolean;
  /** Ids that were used lately. */
  private readonly recentIds: string[] = [];
  /** Ids under which more than one text was asked for. */
  private readonly sharedIds = new Set<string>();

  constructor(
    private readonly world: World,
    private readonly history: History,
    private readonly readers: Readers,
    private readonly random: SeededRandom,
    private readonly wishes: ClientWishes,
  ) {
    this.isSharing = random.split('sharing').chance(0.3);
  }

  start(): void {
    for (let client = 0; client < this.wishes.count; client += 1) this.think();
  }

  /** Nobody begins anything new; who waits goes on to. */
  stop(): void {
    this.isOver = true;
  }

  /** One append that has to succeed: at a healthy cluster. */
  appendOnce(process: MasterProcess, writeConcern: WriteConcern): void {
    const operation = this.history.begin([this.text()]);
    this.attempt({ operation, ids: [null], writeConcern, process, triesLeft: 0 }, null);
  }

  private think(): void {
    this.world.timeline.after(1 + this.random.below(2 * this.wishes.thinkMs), () => {
      if (this.isOver) return;
      this.append();
      this.think();
    });
  }

  private append(): void {
    const process = this.someMaster();
    if (process === null) return;
    const count = this.random.chance(0.1) ? this.random.between(2, 4) : 1;
    const texts = Array.from({ length: count }, () => this.text());
    const isSeparate = count > 1 && this.isSharing;
    const hasIds = this.random.chance(0.5);
    const takenId = this.random.chance(0.05) ? this.takenId(process) : null;
    const ids = hasIds ? texts.map((text) => this.ownId(text)) : texts.map(() => null);
    if (takenId !== null) ids[this.random.below(count)] = takenId;
    const asked = { ids, writeConcern: this.drawConcern(), process, triesLeft: this.random.below(5) };
    const timeoutMs = this.random.chance(0.6) ? this.random.between(20, 3_000) : null;
    const begun = (some: readonly string[], first: number): Attempt => ({
      ...asked,
      operation: this.history.begin(some),
      ids: ids.slice(first, first + some.length),
    });
    const attempts = isSeparate ? texts.map((text, at) => begun([text], at)) : [begun(texts, 0)];
    this.attemptAll(attempts, timeoutMs);
    if (hasIds && this.random.chance(0.1)) this.attemptAll(attempts, timeoutMs);
  }

  private ownId(text: string): string {
    const id = `id-${text.slice(0, 12)}`;
    this.recentIds.push(id);
    if (this.recentIds.length > RECENT_IDS) this.recentIds.shift();
    return id;
  }

  /** An id of another text, or one that the master has given, or will give soon. */
  private takenId({ machine }: MasterProcess): string {
    const seq = machine.view.outline.lastSeq + this.random.between(-2, 3);
    const given = generatedId(machine.view.epoch.reign, Math.max(seq, 1));
    const id = this.random.chance(0.5) ? given : (this.recentIds[this.random.below(RECENT_IDS)] ?? given);
    this.sharedIds.add(id);
    return id;
  }

  private drawConcern(): WriteConcern {
    const nodes = this.world.options.secondaries.length + 1;
    const roll = this.random.next();
    if (roll < 0.4) return 'majority';
    if (roll < 0.5) return 'all';
    return this.random.between(1, nodes + (roll > 0.98 ? 1 : 0));
  }

  private attempt(attempt: Attempt, timeoutMs: number | null): void {
    const { operation, ids, writeConcern, process } = attempt;
    if (!process.isAlive) return this.again(attempt, timeoutMs);
    this.history.try(operation);
    this.open.add(attempt);
    const entries = operation.texts.map((message, at) => ({ message, id: ids[at] ?? null }));
    const request = process.append({ entries, writeConcern }, (answer) => {
      if (!this.open.delete(attempt)) return;
      this.take(attempt, answer, timeoutMs);
    });
    if (timeoutMs !== null) this.bound([attempt], { request, timeoutMs });
  }

  /** Several share an event, as lines of one request do; each is tried alone if the core has split them. */
  private attemptAll(attempts: readonly Attempt[], timeoutMs: number | null): void {
    const [first] = attempts as readonly [Attempt];
    const { process, writeConcern } = first;
    if (attempts.length === 1) return this.attempt(first, timeoutMs);
    const entries = attempts.map(({ operation, ids }) => ({ message: operation.texts[0] ?? '', id: ids[0] ?? null }));
    for (const attempt of attempts) {
      this.history.try(attempt.operation);
      this.open.add(attempt);
    }
    let isSplit = false;
    const request = process.append({ entries, writeConcern, separate: true }, (answer) => {
      isSplit = answer.outcome === 'split';
      for (const [at, attempt] of attempts.entries())
        if (!isSplit && this.open.delete(attempt)) this.take(attempt, answerOf(answer, at, attempts.length), timeoutMs);
    });
    if (isSplit) for (const attempt of attempts) this.attemptAlone(attempt, timeoutMs);
    else if (timeoutMs !== null) this.bound(attempts, { request, timeoutMs });
  }

  /** Nothing was appended for its event. */
  private attemptAlone(attempt: Attempt, timeoutMs: number | null): void {
    this.open.delete(attempt);
    this.history.recordRefused(attempt.operation);
    this.attempt(attempt, timeoutMs);
  }

  private bound(attempts: readonly Attempt[], { request, timeoutMs }: { request: number; timeoutMs: number }): void {
    const why = this.random.chance(0.2) ? 'gone' : 'timeout';
    this.world.timeline.after(timeoutMs, () => {
      const open = attempts.filter((attempt) => this.open.has(attempt));
      const [{ process }] = attempts as readonly [Attempt];
      if (open.length === 0) return;
      if (why === 'gone') for (const attempt of open) this.open.delete(attempt);
      process.enter(() => process.giveUp(request, why));
      if (why === 'gone') for (const attempt of open) this.again(attempt, timeoutMs);
    });
  }

  /** Its process has ended: what became of it is not known. */
  lost(process: MasterProcess): void {
    for (const attempt of [...this.open]) {
      if (attempt.process !== process) continue;
      this.open.delete(attempt);
      this.history.recordUnknown();
      this.again(attempt, null);
    }
  }

  private take(attempt: Attempt, answer: Answer, timeoutMs: number | null): void {
    const { operation, process } = attempt;
    switch (answer.outcome) {
      case 'acknowledged': {
        if (answer.first !== answer.seq - operation.texts.length + 1)
          throw new Violation('S5', `${operation.texts.length} entries are acknowledged from ${answer.first} on`);
        const isSafe = answer.w >= majority(process.machine.view.members.length + 1);
        this.history.recordAcknowledged(operation, { seq: answer.seq, isSafe: isSafe || this.wishes.keepsAll });
        if (isSafe && this.random.chance(0.2)) this.read(attempt, answer.seq);
        return undefined;
      }
      case 'refused':
        if (answer.stored === 'unknown') this.history.recordUnknown();
        else this.history.recordRefused(operation);
        return this.again(attempt, timeoutMs);
      case 'id-conflict':
      case 'id-reserved':
        if (!attempt.ids.some((id) => id !== null && this.sharedIds.has(id)))
          throw new Violation('S5', `${operation.texts[0]} is told ${answer.outcome}, and no other text has its id`);
        return this.history.recordRefused(operation);
      case 'unsatisfiable':
      // Of a bulk append a part is there, and the rest went with a crash.
      case 'ids-known':
      case 'too-large':
        return this.history.recordRefused(operation);
      case 'unresolved':
        this.history.recordUnknown();
        return this.again(attempt, timeoutMs);
      case 'unreadable':
      case 'no-such-entry':
      case 'split':
        throw new BrokenInvariant(`${process.node} answers an append with ${answer.outcome}`);
    }
  }

  /** Somebody who was told of the entry reads it at any node. */
  private read({ operation, process }: Attempt, seq: number): void {
    const { masters, secondaries } = this.world.options;
    const node = this.random.pick([...masters, ...secondaries]);
    this.readers.expect(node, { seq, text: operation.texts.at(-1) ?? '', log: process.machine.view.outline.identity });
  }

  /** With the same ids it is the same append; without, it would be another one, so it ends here. */
  private again(attempt: Attempt, timeoutMs: number | null): void {
    if (attempt.triesLeft === 0 || attempt.ids[0] === null || this.isOver) return;
    this.world.timeline.after(1 + this.random.below(400), () => {
      const process = this.someMaster();
      if (process !== null) this.attempt({ ...attempt, process, triesLeft: attempt.triesLeft - 1 }, timeoutMs);
    });
  }

  private someMaster(): MasterProcess | null {
    const up = this.world.options.masters.flatMap((node) => this.world.masterOf(node) ?? []);
    if (up.length === 0) return null;
    const reigning = up.find(({ machine }) => machine.view.phaseName === 'reigning');
    return reigning !== undefined && this.random.chance(0.8) ? reigning : this.random.pick(up);
  }

  private text(): string {
    this.texts += 1;
    const padding = this.random.chance(0.1) ? '.'.repeat(this.random.below(800)) : '';
    return `a${this.texts}-${this.random.hex(3)}${padding}`;
  }
}

/** What an answer to `count` appends says to the one at `at`. */
function answerOf(answer: Answer, at: number, count: number): Answer {
  if (answer.outcome !== 'acknowledged') return answer;
  return { ...answer, first: answer.first + at, seq: answer.seq - count + 1 + at };
}
