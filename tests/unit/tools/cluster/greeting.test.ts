import { type GreetingFacts, renderGreeting } from '#tools/cluster/greeting';

const HEALTH = { head: 0, log: '60c249b35917a53d' };

function node(name: string, port: number): GreetingFacts['nodes'][number] {
  const role = name === 'master' ? 'master' : 'secondary';
  return {
    plan: { name, role, port, url: `http://127.0.0.1:${port}`, dataDir: null },
    pid: port - 7900,
    notReady: null,
    health: role === 'master' ? { ...HEALTH, head: 4, secondaries: [{ id: 'secondary-1' }] } : { applied: 4, head: 5 },
  };
}

const master = node('master', 8000);
const secondary = node('secondary-1', 8001);
const facts: GreetingFacts = {
  nodes: [master, secondary],
  broker: { management: 'http://guest:p%40ss@127.0.0.1:15690', describe: () => 'RabbitMQ 4.0' },
  dataDir: './data',
  logName: 'rlog',
  goneLog: null,
  logsDir: './data/logs',
  hasApiToken: false,
  launcherPid: 42,
};

it('the greeting is a table, and lines to copy', () => {
  expect(renderGreeting(facts)).toBe(`
  node         URL                     state
  -----------  ----------------------  --------------------------------------
  master       http://127.0.0.1:8000   ready, 4 entries, pid 100
  secondary-1  http://127.0.0.1:8001   ready, 4 entries, pid 101
  RabbitMQ UI  http://127.0.0.1:15690  log in as guest / p@ss
  data         ./data                  kept: the next npm start finds the log
  log files    ./data/logs             one for each node

Try it:
  curl -H 'Content-Type: application/json' -d '{"message": "hello"}' http://127.0.0.1:8000/messages
  curl http://127.0.0.1:8001/messages
Make a secondary slow, lossy or deaf (delayMs, failRate, dropRate, duplicateRate, reorderRate, paused):
  curl -H 'Content-Type: application/json' -X PUT -d '{"delayMs": 5000}' http://127.0.0.1:8001/faults
Stop one, and start it again:  kill 101  and  kill -USR2 42

Ctrl-C stops everything.`);
});

describe('the greeting says', () => {
  it('who is not ready, and why', () => {
    const reason = 'read-only: no quorum';
    const text = renderGreeting({
      ...facts,
      nodes: [{ ...master, notReady: reason, health: null }],
    });
    expect(text).toContain('not ready: read-only: no quorum, pid 100');
    expect(text).toContain('Not ready yet: master.');
    expect(text).not.toContain('/faults');
  });

  it('what a master that recovers waits for, and how a force is looked at', () => {
    const health = { ...HEALTH, waitingFor: '1 more vote from secondary-1, secondary-2' };
    const waiting = { ...master, notReady: 'recovering', health };
    const text = renderGreeting({ ...facts, nodes: [waiting], hasApiToken: true });
    expect(text).toContain('it waits for 1 more vote from secondary-1, secondary-2\n');
    expect(text).toContain('npm run force -- --url http://127.0.0.1:8000 --log rlog --token "$API_TOKEN"\n');
  });

  it('that no folder holds the log that was kept, and the two ways out', () => {
    const health = { ...HEALTH, waitingFor: 'the log 60c249b35917a53d' };
    const waiting = { ...master, notReady: 'recovering', health };
    const text = renderGreeting({ ...facts, nodes: [waiting], goneLog: '60c249b35917a53d' });
    expect(text).toContain('the log 60c249b35917a53d was kept in ./data, and the folder of no node holds any of it.');
    expect(text).toContain('give a node its folder back');
    expect(text).toContain('delete ./data, and start again');
    expect(text).not.toContain('npm run force');
  });

  it('who is down', () => {
    expect(renderGreeting({ ...facts, nodes: [master, { ...secondary, pid: null }] })).toContain('4 entries, down');
  });

  it('which members of an earlier start are waited for, and how to be rid of them', () => {
    const health = {
      ...HEALTH,
      head: 1,
      secondaries: [{ id: 'secondary-1' }, { id: 'secondary-2' }, { id: 'secondary-3' }],
    };
    const text = renderGreeting({ ...facts, nodes: [{ ...master, health }, secondary] });
    expect(text).toContain('earlier start: secondary-2, secondary-3.');
    expect(text).toContain('curl -X DELETE http://127.0.0.1:8000/members/secondary-3');
    expect(text).toContain('ready, 1 entry,');
  });

  it('the token in every request that needs it', () => {
    const health = { ...HEALTH, head: 1, secondaries: [{ id: 'secondary-1' }, { id: 'secondary-2' }] };
    const text = renderGreeting({ ...facts, nodes: [{ ...master, health }, secondary], hasApiToken: true });
    const requests = text.split('\n').filter((line) => line.includes('curl'));
    expect(requests).toHaveLength(4);
    for (const line of requests) expect(line).toContain('-H "Authorization: Bearer $API_TOKEN"');
  });

  it('nothing of a login that it does not know, and that nothing is kept', () => {
    const broker = { management: undefined, describe: () => 'RabbitMQ 4.0 at amqp://x, given by AMQP_URL' };
    const text = renderGreeting({ ...facts, broker, dataDir: null });
    expect(text).toContain('given by AMQP_URL');
    expect(text).not.toContain('log in as');
    expect(text).toContain('gone when this stops');
  });
});
