import { afterEach, test } from 'vitest'
import { Citadel, silent } from '../../src/index.js'
import { eventually } from '../support/eventually.js'
import { freePort } from '../support/free-port.js'

let nodes: Citadel[] = []

afterEach(async () => {
  await Promise.all(nodes.map((node) => node.stop()))
  nodes = []
})

/** Each node with an EPMD of its own, so that none can be found through it. */
async function start(name: string, listed: { name: string; addresses?: string[] }[] = []) {
  const node = await Citadel.start({
    name,
    cookie: 'hints',
    epmdPort: await freePort(),
    discovery: { static: listed },
    logger: silent,
  })
  nodes.push(node)
  return node
}

test('two nodes with no EPMD in common connect by the address that discovery lists', async () => {
  const n1 = await start('n1@127.0.0.1')
  const n2 = await start('n2@127.0.0.1', [{ name: n1.name, addresses: [...n1.addresses] }])
  await eventually(() => n2.nodes().includes(n1.name))
  await eventually(() => n1.nodes().includes(n2.name))
})

test('two nodes: an address that is wrong does no harm, EPMD is asked after it', async () => {
  const epmdPort = await freePort()
  const common = { cookie: 'hints', epmdPort, logger: silent }
  const n1 = await Citadel.start({ ...common, name: 'n1@127.0.0.1' })
  nodes.push(n1)
  const wrong = `tcp://127.0.0.1:${await freePort()}`
  const discovery = { static: [{ name: n1.name, addresses: [wrong] }] }
  const n2 = await Citadel.start({ ...common, name: 'n2@127.0.0.1', discovery })
  nodes.push(n2)
  await eventually(() => n2.nodes().includes(n1.name))
})
