import { keyOf, putRequest, txnRequest, varint } from '#bench/peers/wire/etcd-protocol';

describe('the requests to etcd', () => {
  it('write numbers seven bits a byte, the least first', () => {
    expect([0, 1, 127, 128, 300, 16_384].map((value) => Buffer.from(varint(value), 'latin1').toString('hex'))).toEqual([
      '00',
      '01',
      '7f',
      '8001',
      'ac02',
      '808001',
    ]);
  });

  it('put a key and a value, in a frame of gRPC', () => {
    const put = '\x0a\x01k\x12\x02vw';
    expect(putRequest({ key: 'k', value: 'vw' }).toString('latin1')).toBe(`\0\0\0\0\x07${put}`);
  });

  it('put many in one transaction, each as an operation of its own', () => {
    const puts = ['a', 'b'].map((key) => ({ key, value: 'v' }));
    const operation = (key: string) => `\x12\x08\x12\x06\x0a\x01${key}\x12\x01v`;
    expect(txnRequest(puts).toString('latin1')).toBe(`\0\0\0\0\x14${operation('a')}${operation('b')}`);
  });

  it('have keys that sort as their numbers do', () => {
    const keys = [0, 9, 10, 99_999, 100_000].map(keyOf);
    expect([...keys].sort()).toEqual(keys);
  });
});
