/** An error names what was meant by its caller, and after the end of a node says that, and nothing else. */
import { afterEach, expect, test } from 'vitest'
import { Citadel, GenServer, leastChildren } from '../../src/index.js'
import { LocalCluster } from '../support/local-cluster.js'

class Room extends GenServer {
  join(guest: string): string {
    return guest
  }

  hook(): () => void {
    return () => {}
  }

  rest(): Promise<never> {
    return new Promise(() => {})
  }
}

/** Each child where the fewest are: one on each node. */
const options = { modules: { Room }, placement: leastChildren }

let cluster: LocalCluster

afterEach(() => cluster.stop())

const sentence = (work: Promise<unknown>): Promise<string> =>
  work.then(
    (value) => `no error: ${String(value)}`,
    (error) => `${error.code}: ${error.message}`,
  )

test('two nodes: a call that reaches nobody names the child, key, name or process that it was for', async () => {
  cluster = await LocalCluster.start(2, options)
  const { citadel, workers } = cluster.node(1)
  const there = cluster.node(2).citadel
  const pid = await there.spawn(Room)
  const gone = citadel.monitor(pid)
  there.exit(pid, 'shutdown')
  await citadel.receive((message) => (message as { ref?: unknown }).ref?.toString() === `${gone}`)
  const nobody = (who: string) =>
    `noproc: the call of 'join' reached nobody: ${who} is no living process; look it up again, or start it`

  const toChild = workers.child<Room>('garden').call('join', 'ana')
  expect(await sentence(toChild)).toBe(nobody("child 'garden'"))
  const toKey = citadel.call({ key: ['room', 7] }, 'join', 'ana')
  expect(await sentence(toKey)).toBe(nobody("the owner of key ['room', 7]"))
  const toName = citadel.call({ name: 'garden', node: there.name }, 'join', 'ana')
  expect(await sentence(toName)).toBe(nobody(`'garden' on ${there.name}`))
  expect(await sentence(citadel.call(pid, 'join', 'ana'))).toBe(nobody(`${pid}`))
})

test('two nodes: a misspelt method is answered with the nearest one, wherever the process is', async () => {
  cluster = await LocalCluster.start(2, options)
  const { workers } = cluster.node(1)
  for (const id of [1, 2]) {
    await workers.startChild(Room, [], { id })
    const call = workers.child(id).call('jion')
    expect(await sentence(call)).toBe(
      "undefined_method: Room has no message 'jion'; did you mean 'join'? It has: join, hook, rest",
    )
  }
  expect(new Set([...workers.members().values()].map(({ node }) => node)).size).toBe(2)
  const far = workers.child(1).call('dance')
  expect(await sentence(far)).toMatch(/'dance'; it has: join, hook, rest$/)
})

test('two nodes: an answer that cannot cross is called that, with the method in the log', async () => {
  cluster = await LocalCluster.start(2)
  const { citadel } = cluster.node(1)
  const { citadel: there, log } = cluster.node(2)
  const room = await there.spawn(Room)
  expect(await sentence(citadel.call(room, 'hook'))).toMatch(
    /^unserializable: answer is a function/,
  )
  expect(log.lines.join()).toMatch(
    /the answer to the call of 'hook' by <.*> cannot cross: answer is/,
  )
  await citadel.groups.join('rooms', room)
  const { failures } = await citadel.groups.multiCall('rooms', 'hook')
  expect(failures[0]?.[1].message).toMatch(/cannot cross: answer is a function/)
  const asked = citadel.groups.multiCall('rooms', 'join', () => {})
  expect(await sentence(asked)).toMatch(/^unserializable: args\[0\] is a function/)
})

test('one node: a call of a child that is not answered says how long it was given, in whole milliseconds', async () => {
  cluster = await LocalCluster.start(1, options)
  const { workers } = cluster.node(1)
  await workers.startChild(Room, [], { id: 1 })
  const call = workers.child<Room>(1).with({ timeoutMs: 30 }).call('rest')
  expect(await sentence(call)).toMatch(/had no answer within \d+ ms/)
})

test('one node: a supervisor of a node that has stopped says so, and its events end', async () => {
  cluster = await LocalCluster.start(1, options)
  const { citadel, workers } = cluster.node(1)
  await workers.startChild(Room, [], { id: 1 })
  await citadel.stop()
  const stopped = 'stopped: the node has stopped'
  expect(await sentence(workers.startChild(Room, [], { id: 2 }))).toBe(stopped)
  expect(await sentence(workers.terminateChild(1))).toBe(stopped)
  expect(await sentence(workers.moveChild(1, citadel.name))).toBe(stopped)
  expect(await workers.events().next()).toEqual({ value: undefined, done: true })
})

test('one node: new Citadel() says how a node starts', async () => {
  cluster = await LocalCluster.start(0)
  const make = () => new (Citadel as unknown as new () => Citadel)()
  expect(make).toThrow('A node starts with `await Citadel.start(options)`.')
})
