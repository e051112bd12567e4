import { describe, expect, it } from 'vitest'
import { EpmdDiscovery } from '../../../src/discovery/epmd-discovery.js'
import { StaticDiscovery } from '../../../src/discovery/static-discovery.js'

describe('EPMD discovery', () => {
  it('puts the host of the announced node behind the names, and drops what is no name', async () => {
    const discovery = new EpmdDiscovery({
      names: async () => [{ name: 'n2' }, { name: 'n1' }, { name: 'two words' }, { name: 'a@b' }],
    })
    await discovery.announce({ name: 'n1@box' })
    expect((await discovery.members()).map((node) => node.name)).toEqual(['n1@box', 'n2@box'])
  })

  it('keeps the last answer while EPMD is away, and rejects when there never was one', async () => {
    let up = false
    const discovery = new EpmdDiscovery({
      names: async () => {
        if (!up) throw new Error('connect ECONNREFUSED')
        return [{ name: 'n1' }]
      },
    })
    await expect(discovery.members()).rejects.toMatchObject({ code: 'discovery_failed' })
    up = true
    await discovery.members()
    up = false
    expect(await discovery.members()).toEqual([{ name: 'n1@127.0.0.1' }])
  })
})

describe('static discovery', () => {
  it('keeps addresses given with a name', async () => {
    const node = { name: 'n1@h1', addresses: ['tcp://h1:4000'] }
    expect(await new StaticDiscovery([node]).members()).toEqual([node])
  })

  it('refuses what is no node name, with an example', () => {
    for (const bad of ['n1', '@host', 'n1@', 'a b@c', 'n:1@host', '', `${'x'.repeat(300)}@h`]) {
      expect(() => new StaticDiscovery([bad])).toThrow(/for example 'n1@127\.0\.0\.1'/)
    }
  })
})
