import { describe, expect, it } from 'vitest'
import { DnsDiscovery, type DnsResolver } from '../../../src/discovery/dns-discovery.js'

const failure = (code: string): Error => Object.assign(new Error(`query ${code}`), { code })

function resolver(answers: Partial<DnsResolver>): DnsResolver {
  const nothing = async (): Promise<never> => {
    throw failure('ENODATA')
  }
  return { resolve4: nothing, resolve6: nothing, resolveSrv: nothing, ...answers }
}

describe('DNS discovery', () => {
  it('names nodes after their addresses, of both families, with the port when it is fixed', async () => {
    const discovery = new DnsDiscovery({
      name: 'svc',
      node: 'app',
      port: 4000,
      resolver: resolver({
        resolve4: async () => ['10.0.0.1'],
        resolve6: async () => ['fd00::1'],
      }),
    })
    expect(await discovery.members()).toEqual([
      { name: 'app@10.0.0.1', addresses: ['tcp://10.0.0.1:4000'] },
      { name: 'app@fd00::1', addresses: ['tcp://[fd00::1]:4000'] },
    ])
  })

  it('takes host and port from SRV records', async () => {
    const discovery = new DnsDiscovery({
      name: '_citadel._tcp.svc',
      type: 'SRV',
      resolver: resolver({ resolveSrv: async () => [{ name: 'pod-0.svc', port: 4001 }] }),
    })
    await discovery.announce({ name: 'game@10.0.0.9' })
    expect(await discovery.members()).toEqual([
      { name: 'game@10.0.0.9' },
      { name: 'game@pod-0.svc', addresses: ['tcp://pod-0.svc:4001'] },
    ])
  })

  it('takes "no such name" for an empty list', async () => {
    const discovery = new DnsDiscovery({ name: 'svc', resolver: resolver({}) })
    expect(await discovery.members()).toEqual([])
  })

  it('keeps the last answer while DNS fails, and takes a new one at once', async () => {
    let answer: string[] | undefined = ['10.0.0.1']
    const resolve4 = async (): Promise<string[]> => {
      if (answer === undefined) throw failure('ETIMEOUT')
      return answer
    }
    const discovery = new DnsDiscovery({ name: 'svc', node: 'n', resolver: resolver({ resolve4 }) })
    expect(await discovery.members()).toEqual([{ name: 'n@10.0.0.1' }])
    answer = undefined
    expect(await discovery.members()).toEqual([{ name: 'n@10.0.0.1' }])
    answer = ['10.0.0.7']
    expect(await discovery.members()).toEqual([{ name: 'n@10.0.0.7' }])
  })

  it('rejects with a sentence that helps when DNS never answered', async () => {
    const resolve4 = async (): Promise<string[]> => {
      throw failure('ETIMEOUT')
    }
    const discovery = new DnsDiscovery({ name: 'svc', resolver: resolver({ resolve4 }) })
    await expect(discovery.members()).rejects.toMatchObject({
      code: 'discovery_failed',
      message: expect.stringContaining('check the name in `discovery.dns`'),
    })
  })
})
