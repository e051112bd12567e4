/** What every Discovery must do. Names are chosen by the fixture, since some services limit them. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Discovery } from '../../src/discovery/discovery.js'

export interface DiscoveryFixture {
  discovery: Discovery
  /** The name to announce. */
  self: string
  /** Nodes listed by others all the time. */
  others: readonly string[]
  close(): Promise<void>
}

export function discoveryContract(
  name: string,
  make: () => DiscoveryFixture | Promise<DiscoveryFixture>,
): void {
  describe(`the discovery contract: ${name}`, () => {
    let fixture: DiscoveryFixture
    let discovery: Discovery

    beforeEach(async () => {
      fixture = await make()
      discovery = fixture.discovery
    })

    afterEach(async () => {
      await discovery.close()
      await fixture.close()
    })

    const names = async (): Promise<string[]> =>
      (await discovery.members()).map((node) => node.name)

    test('lists the others before anything is announced', async () => {
      expect(await names()).toEqual([...fixture.others].sort())
    })

    test('lists the announced node as well, sorted, each once', async () => {
      await discovery.announce({ name: fixture.self })
      await discovery.announce({ name: fixture.self, addresses: ['tcp://127.0.0.1:4000'] })
      expect(await names()).toEqual([fixture.self, ...fixture.others].sort())
    })

    test('keeps the addresses that were announced', async () => {
      const addresses = ['tcp://127.0.0.1:4000', 'tcp://10.0.0.1:4000']
      await discovery.announce({ name: fixture.self, addresses })
      const nodes = await discovery.members()
      expect(nodes.find((node) => node.name === fixture.self)?.addresses).toEqual(addresses)
    })

    test('no longer lists a node that was withdrawn', async () => {
      await discovery.announce({ name: fixture.self })
      await discovery.withdraw()
      expect(await names()).toEqual([...fixture.others].sort())
    })

    test('withdrawing what was never announced, and closing twice, does nothing', async () => {
      await discovery.withdraw()
      await discovery.close()
      await discovery.close()
    })
  })
}
