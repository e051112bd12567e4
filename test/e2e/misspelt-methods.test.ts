/** Misspelt life-cycle methods are told of where a class is given to a node, before anything starts. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Citadel, GenServer } from '../../src/index.js'
import { freePort } from '../support/free-port.js'
import { LogRecorder } from '../support/log-recorder.js'

let node: Citadel
let log: LogRecorder

class AtStart extends GenServer {
  handOff(): void {}
}

class OfSupervisor extends GenServer {
  takeOver(): void {}
}

class Added extends GenServer {
  terminat(): void {}
}

class Child extends GenServer {
  handleinfo(): void {}
}

const warningOf = (name: string, wrong: string, meant: string): string =>
  `warn ${name} has a method '${wrong}', which nobody calls by itself: if you mean the life-cycle ` +
  `method, name it '${meant}'`

const told = (): string[] => log.lines.splice(0)

beforeEach(async () => {
  log = new LogRecorder()
  node = await Citadel.start({
    name: 'n1@127.0.0.1',
    cookie: 'names',
    epmdPort: await freePort(),
    discovery: false,
    logger: log,
    modules: { AtStart },
  })
})

afterEach(() => node.stop())

test('one node: of classes of the node, of a supervisor, and of startChild, each is told of once', async () => {
  expect(told()).toEqual([warningOf('AtStart', 'handOff', 'handoff')])
  const workers = await node.supervisor('workers', { modules: { OfSupervisor, AtStart } })
  expect(told()).toEqual([warningOf('OfSupervisor', 'takeOver', 'takeover')])
  await node.supervisor('workers', { modules: { Added, OfSupervisor } })
  expect(told()).toEqual([warningOf('Added', 'terminat', 'terminate')])
  for (const id of [1, 2]) {
    const started = workers.startChild(Child, [], { id })
    await expect(started).rejects.toMatchObject({ code: 'no_placement' })
  }
  expect(told()).toEqual([warningOf('Child', 'handleinfo', 'handleInfo')])
  const classes: (new () => GenServer)[] = [AtStart, OfSupervisor, Added]
  for (const module of classes) {
    await workers.startChild(module, [], { id: module.name })
  }
  await node.supervisor('others')
  expect(told()).toEqual([])
})
