/** Who begins to listen when there is nothing to hear any more is told so, and does not wait. */
import { expect, test } from 'vitest'
import { Citadel, GenServer, silent } from '../../src/index.js'
import { freePort } from '../support/free-port.js'

class Room extends GenServer {}

const END = { value: undefined, done: true }

test('one node: a loop over events that begins when the node has stopped ends at once', async () => {
  const citadel = await startNode()
  const rooms = await citadel.supervisor('rooms', { modules: { Room } })
  await citadel.stop()
  expect(await citadel.watchNodes().next()).toEqual(END)
  expect(await citadel.registry.watch().next()).toEqual(END)
  expect(await citadel.groups.subscribe('hall').next()).toEqual(END)
  expect(await rooms.events().next()).toEqual(END)
})

test('one node: a loop that subscribes anew as soon as it ends does not wait for ever after a stop', async () => {
  const citadel = await startNode()
  const rooms = await citadel.supervisor('rooms', { modules: { Room } })
  const twice = async (subscribe: () => AsyncIterable<unknown>) => {
    for (let round = 0; round < 2; round++) for await (const _ of subscribe());
    return 'ended'
  }
  const loops = Promise.all([
    twice(() => citadel.watchNodes()),
    twice(() => citadel.registry.watch()),
    twice(() => citadel.groups.subscribe('hall')),
    twice(() => rooms.events()),
  ])
  await citadel.stop()
  expect(await loops).toEqual(['ended', 'ended', 'ended', 'ended'])
})

test('one node: a loop over the events of a supervisor that was left ends at once', async () => {
  const citadel = await startNode()
  const rooms = await citadel.supervisor('rooms', { modules: { Room } })
  await rooms.leave()
  expect(await rooms.events().next()).toEqual(END)
  await citadel.stop()
})

async function startNode(): Promise<Citadel> {
  return Citadel.start({
    name: 'n1@127.0.0.1',
    cookie: 'late',
    epmdPort: await freePort(),
    discovery: false,
    logger: silent,
  })
}
