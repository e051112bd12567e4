import { afterEach, expect, test } from 'vitest'
import { Citadel, GenServer, silent } from '../../src/index.js'
import { freePort } from '../support/free-port.js'

const endings: string[] = []

class Trapping extends GenServer {
  init(): void {
    this.trapExit = true
  }
  terminate(reason: unknown): void {
    endings.push(String(reason))
  }
}

let node: Citadel | undefined

afterEach(async () => {
  await node?.stop()
  endings.length = 0
})

test('one node: a child that traps exits ends at once when it is terminated, and cleans up', async () => {
  const options = { cookie: 'stop', epmdPort: await freePort(), logger: silent }
  node = await Citadel.start({ ...options, discovery: false })
  const children = await node.supervisor('children', { modules: { Trapping } })
  const pid = await children.startChild(Trapping, [], { id: 1, shutdownMs: 60_000 })
  await children.terminateChild(1)
  expect(node.isAlive(pid)).toBe(false)
  expect(endings).toEqual(['shutdown'])
  await children.startChild(Trapping, [], { id: 2, shutdownMs: 60_000 })
  await children.leave()
  expect(endings).toEqual(['shutdown', 'shutdown'])
})

class Hanging extends GenServer {
  init(): Promise<void> {
    return new Promise(() => {})
  }
}

test('one node: an init that never returns is a timeout, and its id is free once it is terminated', async () => {
  const options = { cookie: 'stop', epmdPort: await freePort(), logger: silent }
  node = await Citadel.start({ ...options, discovery: false })
  const children = await node.supervisor('children', { modules: { Hanging, Trapping } })
  const start = children.startChild(Hanging, [], { id: 1, timeoutMs: 50 })
  await expect(start).rejects.toMatchObject({ code: 'timeout' })
  await children.terminateChild(1)
  const pid = await children.startChild(Trapping, [], { id: 1 })
  expect(children.lookup(1)).toEqual(pid)
  const before = Date.now()
  await node.stop()
  expect(Date.now() - before).toBeLessThan(5_000)
})
