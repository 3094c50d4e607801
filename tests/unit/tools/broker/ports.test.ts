import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { findRefused, freePorts } from '#tools/broker/ports';

const HOST = '127.0.0.1';

it('a port in use is named, with who wants it and what is wrong', async () => {
  const server = createServer().listen(0, HOST);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  expect(await findRefused(HOST, [{ name: 'master', port }])).toEqual([
    `  port ${port} on ${HOST}, for master: is in use`,
  ]);
  server.close();
  await once(server, 'close');
  expect(await findRefused(HOST, [{ name: 'master', port }])).toEqual([]);
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
