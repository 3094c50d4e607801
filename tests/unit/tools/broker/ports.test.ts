import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { explainRefused, findRefused, freePorts, suggestPort } from '#tools/broker/ports';

const HOST = '127.0.0.1';

describe('ports', () => {
  let server: Server;
  let port: number;

  beforeEach(async () => {
    server = createServer().listen(0, HOST);
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });
  afterEach(() => server.close());

  it('in use are found, and others offered that are free', async () => {
    const wanted = [{ name: 'master', port }];
    expect(await findRefused(HOST, wanted)).toEqual([{ name: 'master', port, code: 'EADDRINUSE' }]);
    const offered = await suggestPort(HOST, port, 1);
    expect(offered).not.toBe(port);
    expect(await findRefused(HOST, [{ name: 'master', port: offered ?? port }])).toEqual([]);
  });

  it('are offered up to the last one only', async () => {
    expect(await suggestPort(HOST, 65_535, 2)).toBeNull();
  });
});

describe('the explanation', () => {
  const refused = [
    { name: 'master', port: 80, code: 'EACCES' },
    { name: 'secondary-1', port: 81, code: 'EADDRINUSE' },
  ];

  it('names every port, who wants it, what is wrong and what to do', () => {
    expect(explainRefused(refused, HOST, 8010)).toBe(
      [
        'Ports cannot be had:',
        '  port 80 on 127.0.0.1, for master: needs more rights than this process has',
        '  port 81 on 127.0.0.1, for secondary-1: is in use',
        'Stop what listens there, or use other ports: npm start -- --port 8010',
      ].join('\n'),
    );
  });

  it('leaves the choice where it has none to offer', () => {
    expect(explainRefused(refused.slice(1), HOST, null)).toMatch(/^A port cannot .*npm start -- --port N$/s);
  });
});

describe('free ports', () => {
  it('are distinct, and outside the range of outgoing connections', async () => {
    const ports = await freePorts(new Array(20).fill(undefined));
    expect(new Set(ports).size).toBe(20);
    for (const port of ports) expect(port).toBeLessThan(30_000);
  });

  it('are the preferred ones unless somebody has them', async () => {
    const [port] = await freePorts([undefined]);
    expect(await freePorts([port])).toEqual([port]);
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const held = (holder.address() as AddressInfo).port;
    expect(await freePorts([held])).not.toContain(held);
    holder.close();
  });

  it('are not the same one twice when one is preferred twice', async () => {
    const [port] = await freePorts([undefined]);
    const [first, second] = await freePorts([port, port]);
    expect(first).toBe(port);
    expect(second).not.toBe(port);
  });
});
