/**
 * What a master does while it leads, in terms of several parts at once: it begins a reign, announces
 * it, takes the reports of the nodes that follow it, and changes the configuration. What a reign
 * does by itself is in leadership/reign.ts.
 */
import { trace } from '#protocol/trace';
import type { MemberMessage, MessageOf, Sender } from '#protocol/wire/messages';
import type { ChangeMember, Step } from './events';
import { Reign } from './leadership/reign';
import { refused } from './refusals';
import type { MasterState } from './state';
import type { MasterView } from './view';

/** Acts for the leader. Every method adds its effects to `step.out`. */
export class Leading {
  constructor(
    private readonly state: MasterState,
    private readonly view: MasterView,
  ) {}

  becomeReigning({ epoch, reign: name }: Sender, step: Step): void {
    const { self, log, force, membership, pendingIds: pending, publisher, declaration } = this.state;
    const { tracker } = membership.table;
    tracker.reset();
    publisher.clear();
    const parts = { log, window: publisher.window, positions: tracker, pending };
    const start = { forced: force.isBranchForced, withoutQuorum: !this.state.settings.quorumAppend };
    const reign = new Reign({ epoch, reign: name }, self, parts, start);
    const isBirth = log.outline.newestConfiguration().members === null;
    this.state.phase = { name: 'reigning', reign };
    force.finish();
    membership.wantAll();
    reign.begin(membership.wanted, step.out);
    membership.followConfiguration();
    declaration.recordReign(isBirth);
    this.announceToAll(reign, step);
  }

  announceToAll(reign: Reign, step: Step): void {
    if (!this.state.broker.hasLock || this.view.isSilent(step.now)) return;
    this.state.announcer.announceToAll(step.now, reign, step.out);
  }

  announceTo(replyTo: string | null, reign: Reign, step: Step): void {
    if (replyTo === null || this.view.isSilent(step.now)) return;
    this.state.announcer.announceTo(replyTo, reign, step.out);
  }

  /** Takes a message of a node that follows this reign, in the same log. */
  receiveFromFollower(message: MemberMessage, replyTo: string | null, reign: Reign, step: Step): void {
    switch (message.type) {
      case 'ack':
      case 'heartbeat':
        return this.recordPosition(message, reign, step);
      case 'fetch':
        return this.answerFetch(message, replyTo, reign, step);
      case 'join':
        return this.announceTo(replyTo, reign, step);
      case 'leave':
      case 'vote':
        return undefined;
    }
  }

  private recordPosition(report: MessageOf<'ack' | 'heartbeat'>, reign: Reign, step: Step): void {
    const { membership, log } = this.state;
    const checksum = report.type === 'heartbeat' ? log.checksumAt(report.index) : null;
    if (!membership.table.recordPosition(report, checksum, step.out)) return;
    reign.advance(step.out);
    this.changeConfiguration(reign, step);
  }

  private answerFetch(fetch: MessageOf<'fetch'>, replyTo: string | null, reign: Reign, step: Step): void {
    if (replyTo === null || this.view.isSilent(step.now)) return;
    const { log, self } = this.state;
    const answer = log.answerFetch(fetch, { to: replyTo, sender: reign.sender, store: self.store });
    if (answer !== null) step.out.push(answer);
  }

  tickReign(reign: Reign, step: Step): void {
    if (!reign.open) reign.begin(this.state.membership.wanted, step.out);
    if (this.state.announcer.isDue(step.now)) this.announceToAll(reign, step);
    if (this.state.publisher.isRetryDue(step.now))
      for (const node of this.view.members) step.out.push({ do: 'ensureMember', node });
    this.state.publisher.tick();
    this.changeConfiguration(reign, step);
  }

  /** Takes the next step towards the wanted configuration, if one is due. */
  changeConfiguration(reign: Reign, step: Step): void {
    const { membership } = this.state;
    const list = reign.canChangeConfiguration ? membership.nextConfiguration(reign.commitIndex) : null;
    if (list === null) return;
    const former = membership.members;
    reign.appendConfiguration(list, step.out);
    membership.followConfiguration();
    reign.recount();
    reign.release(step.out);
    for (const node of membership.members) if (!former.includes(node)) step.out.push({ do: 'ensureMember', node });
  }

  changeMember(change: ChangeMember, step: Step): void {
    const { reigning } = this.state;
    const refusal = this.view.phaseName === 'reigning' && !this.state.isStopping ? null : this.view.refusal(step.now);
    const { request, type, node } = change;
    const outcome =
      reigning === null || refusal !== null
        ? (refusal ?? refused('recovering', 'Not ready yet.', this.view.situation(step.now)))
        : this.state.membership.want(change);
    if (outcome !== null || reigning === null) {
      if (outcome !== null) step.out.push({ do: 'memberChange', request, outcome });
      return;
    }
    reigning.awaitChange(change, step.out);
    const event = type === 'admit' ? 'member.admit-ordered' : 'member.remove-ordered';
    step.out.push(trace('warn', event, { peer: node }));
    this.changeConfiguration(reigning, step);
    reigning.advance(step.out);
  }

  /** Tells a member to renew its store, at each sign of life until the member has another store. */
  renew({ node, store }: MessageOf<'join' | 'heartbeat'>, to: string, step: Step): void {
    if (this.state.reigning === null || !this.state.membership.table.mustRenew({ node, store })) return;
    step.out.push({ do: 'send', to, message: { type: 'renew', ...this.state.reigning.sender, node, store } });
  }
}
