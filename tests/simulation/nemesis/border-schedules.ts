/**
 * Directed schedules at the borders of a log's life:
 *
 * list changes   a list is under way when its reign ends, the next reign changes the list in its own way, and the first one comes back
 * births         the first reign is gone a moment after it began, again and again, before anybody knows of the log or just then
 * split votes    two masters claim at once, and voters are gone a moment after they voted
 * lost majority  most nodes are away, an operator forces a list with the rest; then those who were away go on, or are forced, without the others
 */
import { majority, nodeCount } from '#protocol/write-concern';
import { isElected, reigningMaster, when } from '../checks/watching';
import type { Nemesis } from './nemesis';

/**
 * Members leave and come, or stores are lost and replaced; not both, for that can leave a list that
 * is stuck for good. (Raft's changes of one server at a time are safe only if a reign's first
 * record is committed before: two reigns could change one list in two ways.)
 */
export function listChanges(nemesis: Nemesis): void {
  const { random, world, profile } = nemesis;
  const loses = random.chance(0.5);
  if (profile.secondaries.length >= 4 && random.chance(0.7)) return grow();
  when(
    nemesis,
    () => reigningMaster(nemesis) !== null,
    () => nemesis.plan(random.between(500, 2_500), begin),
    6_000,
  );

  /**
   * Several nodes are to become voters when the voters that there are go; these go on with the
   * other master.
   */
  function grow(): void {
    const [old, young] = [profile.secondaries.slice(0, 2), profile.secondaries.slice(2)];
    for (const node of young) nemesis.cut(node);
    const voters = () => world.masterOf(reigningMaster(nemesis) ?? '')?.machine.view.voters.length ?? 0;
    when(
      nemesis,
      () => voters() === 3,
      () => nemesis.plan(random.between(100, 1_000), takeIn),
      5_000,
    );

    function takeIn(): void {
      const first = reigningMaster(nemesis) ?? random.pick(profile.masters);
      const second = profile.masters.find((node) => node !== first) ?? first;
      for (const node of young) world.allow(node);
      nemesis.plan(random.below(600), () => {
        for (const node of old) nemesis.cut(node);
        nemesis.plan(random.between(100, 2_000), () => {
          for (const node of [first, ...young]) nemesis.cut(node);
          for (const node of [second, ...old]) world.allow(node);
          nemesis.plan(random.between(1_500, 4_000), together);
        });
      });
    }
  }

  function begin(): void {
    const first = reigningMaster(nemesis) ?? random.pick(profile.masters);
    const second = profile.masters.find((node) => node !== first) ?? first;
    const away = some(0.3);
    for (const node of away) nemesis.cut(node);
    change();
    const isUnderWay = (): boolean => listIsUnderWay(nemesis, first);
    when(nemesis, isUnderWay, () => nemesis.plan(soon(), () => takeOver(first, second, away)), 1_500);
  }

  /** The second master, with some of the others. */
  function takeOver(first: string, second: string, away: readonly string[]): void {
    nemesis.cut(first);
    for (const node of away) world.allow(node);
    const silent = some(0.35);
    for (const node of silent) nemesis.cut(node);
    world.allow(second);
    nemesis.start(second);
    when(
      nemesis,
      () => isElected(nemesis, second),
      () => {
        if (random.chance(0.5)) change();
        const isUnderWay = (): boolean => listIsUnderWay(nemesis, second);
        when(nemesis, isUnderWay, () => nemesis.plan(soon(), () => comeBack(first, second, silent)), 600);
      },
    );
  }

  /** The first one, with others. */
  function comeBack(first: string, second: string, silent: readonly string[]): void {
    if (random.chance(0.5)) nemesis.kill(second);
    else nemesis.cut(second);
    for (const node of some(0.3)) if (!silent.includes(node)) nemesis.cut(node);
    for (const node of silent) world.allow(node);
    world.allow(first);
    nemesis.start(first);
    when(
      nemesis,
      () => isElected(nemesis, first),
      () => nemesis.plan(random.below(800), together),
      3_000,
    );
  }

  function together(): void {
    for (const node of nemesis.nodes) {
      world.allow(node);
      nemesis.start(node);
    }
    nemesis.plan(random.between(300, 3_000), begin);
  }

  function change(): void {
    const node = random.pick(profile.secondaries);
    if (loses) {
      nemesis.lose(node, 'wipe');
      return nemesis.plan(random.below(200), () => nemesis.start(node));
    }
    const removed = profile.secondaries.filter((each) => isRemoved(nemesis, each));
    if (removed.length > 0 && random.chance(0.6)) for (const each of removed) nemesis.act('admit', each);
    else nemesis.act('remove', node);
  }

  function some(rate: number): string[] {
    return profile.secondaries.filter(() => random.chance(rate));
  }

  function soon(): number {
    return random.chance(0.6) ? random.below(12) : random.below(250);
  }
}

export function births(nemesis: Nemesis): void {
  const { random, world, profile } = nemesis;
  const [founder = ''] = profile.masters;
  if (profile.secondaries.length >= 4 && random.chance(0.6)) young();
  else round(random.between(2, 6));

  /** Some never had the log when its master loses its disk, and these are heard first. */
  function young(): void {
    const blank = random.shuffle(profile.secondaries).slice(0, majority(nodeCount(profile.secondaries.length)) - 1);
    const others = profile.secondaries.filter((node) => !blank.includes(node));
    const [first = ''] = blank;
    for (const node of blank) nemesis.cut(node);
    // Lists later than that of the founder alone, with the others as voters.
    nemesis.plan(random.between(2_000, 2_500), () => nemesis.act('remove', first));
    nemesis.plan(random.between(3_000, 3_500), () => nemesis.act('admit', first));
    nemesis.plan(random.between(4_000, 5_000), () => {
      nemesis.lose(founder, 'wipe');
      for (const node of others) nemesis.cut(node);
      for (const node of blank) world.allow(node);
      nemesis.plan(random.below(300), () => nemesis.start(founder));
      nemesis.plan(random.between(1_000, 5_000), () => {
        for (const node of others) world.allow(node);
        nemesis.plan(random.below(1_000), () => round(2));
      });
    });
  }

  function round(left: number): void {
    if (left === 0) return nemesis.startRandom();
    nemesis.slowDisk(founder, random.chance(0.6) ? random.between(5, 150) : 0);
    when(
      nemesis,
      () => isElected(nemesis, founder),
      () => {
        nemesis.plan(random.chance(0.7) ? random.below(40) : random.below(800), () => {
          nemesis.kill(founder);
          if (random.chance(0.2)) nemesis.act('lose broker data', founder);
          for (const node of profile.secondaries) if (random.chance(0.3)) away(node);
          nemesis.plan(random.below(1_200), () => nemesis.start(founder));
          nemesis.plan(random.below(2_500), () => round(left - 1));
        });
      },
    );
  }

  function away(node: string): void {
    if (random.chance(0.3)) nemesis.lose(node, 'wipe');
    else nemesis.cut(node);
    nemesis.plan(random.below(2_000), () => {
      world.allow(node);
      nemesis.start(node);
    });
  }
}

export function splitVotes(nemesis: Nemesis): void {
  const { random, world, profile } = nemesis;
  nemesis.plan(random.between(800, 3_000), next);

  function next(): void {
    if (random.chance(0.5)) begin();
    else forget();
  }

  /**
   * Those who elect a master are gone before their promises can be durable; then the others, and
   * they, are asked by the other master.
   */
  function forget(): void {
    const first = reigningMaster(nemesis) ?? random.pick(profile.masters);
    const second = profile.masters.find((node) => node !== first) ?? first;
    const kept = random.shuffle(profile.secondaries).slice(0, majority(nodeCount(profile.secondaries.length)) - 1);
    for (const node of profile.masters) nemesis.kill(node);
    for (const node of profile.secondaries) {
      if (kept.includes(node)) world.diskOf(node).promiseMs = random.between(50, 400);
      else nemesis.cut(node);
    }
    nemesis.start(first);
    const isOver = (): boolean => isElected(nemesis, first);
    when(nemesis, isOver, () => {
      nemesis.kill(first);
      for (const node of kept) nemesis.kill(node);
      for (const node of profile.secondaries) {
        world.diskOf(node).promiseMs = 0;
        world.allow(node);
        nemesis.start(node);
      }
      nemesis.start(second);
      nemesis.plan(random.between(1_500, 3_500), () => {
        nemesis.start(first);
        nemesis.plan(random.between(500, 2_000), next);
      });
    });
  }

  function begin(): void {
    for (const node of profile.masters) nemesis.act('blink', node);
    for (const node of profile.secondaries) nemesis.slowDisk(node, random.chance(0.7) ? random.between(5, 120) : 0);
    when(
      nemesis,
      () => world.broker.holder !== null,
      () => claimTwice(random.between(1, 3)),
      2_000,
    );
  }

  /** The lock is free for the other one while the first goes on. */
  function claimTwice(times: number): void {
    const epochs = profile.secondaries.map((node) => world.secondaryOf(node)?.machine.epoch ?? 0);
    world.broker.forgetLock();
    const hasPromised = (): boolean =>
      profile.secondaries.some((node, at) => (world.secondaryOf(node)?.machine.epoch ?? 0) > (epochs[at] ?? 0));
    when(nemesis, hasPromised, () => nemesis.plan(random.below(40), () => goAfterVote(times)), 1_500);
  }

  function goAfterVote(times: number): void {
    for (const node of profile.secondaries) {
      if (!random.chance(0.6)) continue;
      nemesis.kill(node);
      nemesis.plan(random.below(100), () => nemesis.start(node));
    }
    if (times > 1) return nemesis.plan(random.below(500), () => claimTwice(times - 1));
    nemesis.plan(random.between(500, 2_500), next);
  }
}

export function lostMajority(nemesis: Nemesis): void {
  const { random, world, nodes } = nemesis;
  const { masters, secondaries } = nemesis.profile;
  when(
    nemesis,
    () => reigningMaster(nemesis) !== null,
    () => nemesis.plan(random.between(800, 3_000), random.chance(0.4) ? behind : begin),
    6_000,
  );

  /**
   * The master that is asked was away while the other one reigned, and comes back to what is left
   * of its followers.
   */
  function behind(): void {
    const first = reigningMaster(nemesis) ?? random.pick(masters);
    const second = masters.find((node) => node !== first) ?? first;
    nemesis.cut(first);
    nemesis.start(second);
    const left = random.pick(secondaries);
    if (random.chance(0.5)) nemesis.cut(left);
    nemesis.plan(random.between(4_000, 6_000), () => {
      world.allow(left);
      for (const node of nodes) if (node !== first && node !== left) nemesis.kill(node);
      world.allow(first);
      const isBack = (): boolean => world.broker.holder === first && world.masterOf(first)?.isUp === true;
      when(nemesis, isBack, () => {
        nemesis.act('force', '');
        nemesis.plan(random.between(4_000, 7_000), () =>
          otherSide(nodes.filter((node) => ![first, left].includes(node))),
        );
      });
    });
  }

  function begin(): void {
    const reigning = reigningMaster(nemesis);
    const gone = random.shuffle(nodes).slice(0, Math.floor(nodes.length / 2) + random.below(2));
    if (reigning !== null && random.chance(0.4) && !gone.includes(reigning)) gone.push(reigning);
    for (const node of gone) {
      if (random.chance(0.15)) nemesis.lose(node, 'wipe');
      else if (random.chance(0.5)) nemesis.kill(node);
      else nemesis.cut(node);
    }
    nemesis.plan(random.between(50, 1_500), () => nemesis.act('force', ''));
    nemesis.plan(random.between(4_000, 7_000), () => otherSide(gone));
  }

  function otherSide(gone: readonly string[]): void {
    if (random.chance(0.5)) for (const node of nodes) if (!gone.includes(node)) nemesis.cut(node);
    for (const node of gone) {
      world.allow(node);
      nemesis.start(node);
    }
    if (random.chance(0.5)) nemesis.plan(random.below(2_000), () => nemesis.act('force', ''));
    nemesis.plan(random.between(500, 5_000), () => {
      for (const node of nodes) {
        world.allow(node);
        nemesis.start(node);
      }
      nemesis.plan(random.between(500, 3_000), begin);
    });
  }
}

/** Is the newest list behind all that is known to be committed? */
function listIsUnderWay({ world }: Nemesis, node: string): boolean {
  const machine = world.masterOf(node)?.machine;
  return (
    machine !== undefined &&
    machine.view.outline.newestConfiguration().index > (machine.view.outline.indexOf(machine.view.commit) ?? 0)
  );
}

function isRemoved({ world, profile }: Nemesis, node: string): boolean {
  return profile.masters.some((master) => world.masterOf(master)?.machine.view.removed.includes(node) === true);
}
