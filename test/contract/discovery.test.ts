import { DnsDiscovery } from '../../src/discovery/dns-discovery.js'
import { EpmdDiscovery } from '../../src/discovery/epmd-discovery.js'
import { StaticDiscovery } from '../../src/discovery/static-discovery.js'
import { discoveryContract } from './discovery.contract.js'

const close = async (): Promise<void> => {}
const self = 'me@127.0.0.1'

discoveryContract('static list', () => ({
  discovery: new StaticDiscovery(['z@127.0.0.1', 'a@127.0.0.1', 'a@127.0.0.1']),
  self,
  others: ['a@127.0.0.1', 'z@127.0.0.1'],
  close,
}))

discoveryContract('EPMD', () => ({
  discovery: new EpmdDiscovery({ names: async () => [{ name: 'z' }, { name: 'a' }] }),
  self,
  others: ['a@127.0.0.1', 'z@127.0.0.1'],
  close,
}))

discoveryContract('DNS', () => ({
  discovery: new DnsDiscovery({
    name: 'nodes.example',
    node: 'me',
    resolver: {
      resolve4: async () => ['10.0.0.2', '10.0.0.1'],
      resolve6: async () => [],
      resolveSrv: async () => [],
    },
  }),
  self,
  others: ['me@10.0.0.1', 'me@10.0.0.2'],
  close,
}))
