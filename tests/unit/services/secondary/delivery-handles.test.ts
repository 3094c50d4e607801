import type { DeliveryHandle } from '#secondary/broker/entries';
import { DeliveryHandles } from '#secondary/delivery-handles';

const HANDLE = {} as DeliveryHandle;

function handlesOf() {
  const told: string[] = [];
  const handles = new DeliveryHandles({
    settle: () => told.push('settled'),
    requeue: () => told.push('requeued'),
  });
  return { handles, told };
}

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

test('a delivery is settled once, and given back no more', () => {
  const { handles, told } = handlesOf();
  const tag = handles.add(HANDLE);
  handles.settle(tag);
  handles.settle(tag);
  handles.requeue(tag, 0);
  jest.runAllTimers();
  expect(told).toEqual(['settled']);
});

test('a delivery is given back after its wait', () => {
  const { handles, told } = handlesOf();
  handles.requeue(handles.add(HANDLE), 100);
  jest.advanceTimersByTime(99);
  expect(told).toEqual([]);
  jest.advanceTimersByTime(1);
  expect(told).toEqual(['requeued']);
});

test('nothing is told of deliveries whose channel has gone, nor after the stop', () => {
  const { handles, told } = handlesOf();
  handles.requeue(handles.add(HANDLE), 100);
  const tag = handles.add(HANDLE);
  handles.clear();
  handles.settle(tag);
  handles.stop();
  jest.runAllTimers();
  expect(told).toEqual([]);
});
