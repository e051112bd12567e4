import { beforeEach, describe, expect, it } from 'vitest'
import { CitadelError } from '../../../src/base/errors.js'
import { Connector, type ConnectorOptions } from '../../../src/discovery/connector.js'
import type { DiscoveredNode, Discovery } from '../../../src/discovery/discovery.js'
import { StaticDiscovery } from '../../../src/discovery/static-discovery.js'
import { Simulation } from '../../../src/testing/simulation.js'
import { LogRecorder } from '../../support/log-recorder.js'

const SELF = 'me@h'

describe('connector', () => {
  let simulation: Simulation
  let log: LogRecorder
  let connected: Set<string>
  /** Names in the order they were dialled. */
  let dialled: string[]
  let underWay: number
  let mostUnderWay: number
  /** How a dial ends, after 100 ms. */
  let outcome: (name: string) => boolean

  beforeEach(() => {
    simulation = new Simulation({ seed: 1 })
    log = new LogRecorder()
    connected = new Set()
    dialled = []
    underWay = 0
    mostUnderWay = 0
    outcome = () => true
  })

  async function connect(name: string): Promise<boolean> {
    dialled.push(name)
    mostUnderWay = Math.max(mostUnderWay, ++underWay)
    await simulation.sleep(100)
    underWay--
    const good = outcome(name)
    if (good) connected.add(name)
    return good
  }

  function connector(
    discovery: Discovery | string[],
    options: Partial<ConnectorOptions> = {},
  ): Connector {
    const { clock, random } = simulation.world('h1')
    return new Connector({
      discovery: Array.isArray(discovery) ? new StaticDiscovery(discovery) : discovery,
      self: SELF,
      clock,
      random,
      log,
      connected: () => connected,
      connect,
      ...options,
    })
  }

  it('connects to all that is listed, but for itself, and then rests', async () => {
    void connector(['a@h', 'b@h', SELF]).start({ name: SELF })
    await simulation.runFor(10_000)
    expect(dialled.sort()).toEqual(['a@h', 'b@h'])
  })

  it('brings back a link that dropped', async () => {
    void connector(['a@h', 'b@h']).start({ name: SELF })
    await simulation.runFor(3000)
    connected.delete('a@h')
    await simulation.runFor(3000)
    expect(connected).toEqual(new Set(['a@h', 'b@h']))
    expect(dialled.length).toBe(3)
  })

  it('has a few dials under way at a time, and gets through all of them', async () => {
    const names = Array.from({ length: 50 }, (_, index) => `n${index}@h`)
    void connector(names, { dialsMax: 4 }).start({ name: SELF })
    await simulation.runFor(1500)
    expect(mostUnderWay).toBe(4)
    expect(connected.size).toBe(50)
    expect(dialled.length).toBe(50)
  })

  it('dials who cannot be reached less and less often, and at once again after joinCluster', async () => {
    outcome = () => false
    const machine = connector(['a@h'], { retryMaxMs: 5000 })
    void machine.start({ name: SELF })
    await simulation.runFor(60_000)
    expect(dialled.length).toBeGreaterThan(9)
    expect(dialled.length).toBeLessThan(18)
    const before = dialled.length
    outcome = () => true
    expect(await simulation.settle(machine.joinCluster())).toEqual([true, true])
    expect(dialled.length).toBe(before + 1)
  })

  it('leaves alone whom the user disconnected', async () => {
    void connector(['a@h', 'b@h'], { skip: (name) => name === 'a@h' }).start({ name: SELF })
    await simulation.runFor(5000)
    expect(dialled).toEqual(['b@h'])
  })

  it('answers one boolean per member, in their order, and true for itself', async () => {
    outcome = (name) => name !== 'b@h'
    const machine = connector(['a@h', 'b@h', 'z@h'])
    const joined = simulation.settle(async () => {
      await machine.start({ name: SELF })
      return machine.joinCluster()
    })
    expect(await joined).toEqual([true, false, true, true])
    expect(await machine.members()).toEqual(['a@h', 'b@h', 'me@h', 'z@h'])
    expect(dialled.sort()).toEqual(['a@h', 'b@h', 'z@h'])
  })

  it('has not looked around while a dial of its first look is under way, however often it looks', async () => {
    const slow = connector(['a@h', 'b@h'], {
      connect: async (name) => {
        await simulation.sleep(name === 'a@h' ? 2_000 : 10)
        return true
      },
    })
    void slow.start({ name: SELF })
    await simulation.runFor(1_900)
    expect(slow.hasLooked).toBe(false)
    await simulation.runFor(200)
    expect(slow.hasLooked).toBe(true)
    expect(log.lines).toEqual([])
  })

  it('has not looked around before it has what those know that have connected to it', async () => {
    connected.add('a@h')
    const machine = connector(['a@h'])
    void machine.start({ name: SELF })
    await simulation.runFor(50)
    expect(machine.hasLooked).toBe(false)
    await simulation.runFor(100)
    expect(machine.hasLooked).toBe(true)
    await simulation.runFor(5_000)
    expect(dialled).toEqual(['a@h'])
  })

  it('goes on when dialling throws, and says why', async () => {
    const failing = async (): Promise<boolean> => {
      throw new CitadelError('bad_argument', 'no such place')
    }
    void connector(['a@h'], { connect: failing }).start({ name: SELF })
    await simulation.runFor(5000)
    expect(log.lines[0]).toBe('warn discovery: a@h cannot be connected: no such place')
  })

  it('says once that discovery fails, disconnects nobody, and goes on when it is back', async () => {
    let up = true
    const listed: DiscoveredNode[] = [{ name: 'a@h' }]
    const discovery: Discovery = {
      announce: async () => {},
      withdraw: async () => {},
      close: async () => {},
      members: async () => {
        if (!up) throw new CitadelError('discovery_failed', 'gone')
        return listed
      },
    }
    void connector(discovery).start({ name: SELF })
    await simulation.runFor(3000)
    up = false
    await simulation.runFor(20_000)
    expect(connected).toEqual(new Set(['a@h']))
    listed.push({ name: 'b@h' })
    up = true
    await simulation.runFor(3000)
    expect(connected).toEqual(new Set(['a@h', 'b@h']))
    expect(log.lines).toEqual(['warn discovery: gone'])
  })

  it('has looked when the list was read once and every dial has ended, however', async () => {
    outcome = (name) => name === 'a@h'
    const machine = connector(['a@h', 'b@h', SELF])
    expect(machine.hasLooked).toBe(false)
    void machine.start({ name: SELF })
    await simulation.runFor(90)
    expect(machine.hasLooked).toBe(false)
    await simulation.runFor(20)
    expect(machine.hasLooked).toBe(true)
    await simulation.settle(machine.looked)
  })

  it('has looked after three seconds although discovery is down, and says so', async () => {
    const discovery: Discovery = {
      announce: async () => {},
      withdraw: async () => {},
      close: async () => {},
      members: async () => {
        throw new CitadelError('discovery_failed', 'gone')
      },
    }
    const machine = connector(discovery)
    void machine.start({ name: SELF })
    await simulation.runFor(2_900)
    expect(machine.hasLooked).toBe(false)
    await simulation.runFor(200)
    expect(machine.hasLooked).toBe(true)
    expect(log.lines[1]).toContain('the first look around took longer than 3000 ms')
  })

  it('looks again soon while the list cannot be read', async () => {
    let reads = 0
    const discovery: Discovery = {
      announce: async () => {},
      withdraw: async () => {},
      close: async () => {},
      members: async () => {
        if (++reads < 3) throw new CitadelError('discovery_failed', 'gone')
        return [{ name: 'a@h' }]
      },
    }
    const machine = connector(discovery)
    void machine.start({ name: SELF })
    await simulation.runFor(1_000)
    expect([machine.hasLooked, connected.has('a@h')]).toEqual([true, true])
  })

  it('dials nobody after stop, and its waiting dials end', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `n${index}@h`)
    const machine = connector(names, { dialsMax: 2 })
    const joined = machine.joinCluster()
    await simulation.runFor(50)
    await machine.stop()
    const results = await simulation.settle(joined)
    expect(results.filter((result) => result)).toEqual([true, true])
    await simulation.runFor(10_000)
    expect(dialled.length).toBe(2)
  })

  it('says little of a list that can be read now and then only', async () => {
    let asked = 0
    const flapping = new StaticDiscovery([])
    flapping.members = async () => {
      if (asked++ % 2 === 0) throw new Error(`no list\n${'x'.repeat(10_000)}`)
      return []
    }
    void connector(flapping).start({ name: SELF })
    await simulation.runFor(60_000)
    expect(asked).toBeGreaterThan(40)
    expect(log.lines.length).toBeLessThan(8)
    expect(Math.max(...log.lines.map((line) => line.length))).toBeLessThan(300)
  })
})
