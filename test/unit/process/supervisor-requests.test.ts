/** Whatever a local supervisor is asked, it answers or refuses: its children depend on it. */
import { expect, test } from 'vitest'
import { CitadelError } from '../../../src/base/errors.js'
import { GenServer } from '../../../src/process/gen-server.js'
import { Supervisor } from '../../../src/process/supervisor.js'
import { oddValues } from '../../support/odd-values.js'
import { rest, testKernel } from '../../support/test-kernel.js'

class Part extends GenServer {}

/** Classes that cannot be looked at. */
const oddClass = () =>
  new Proxy(Part, {
    get: () => {
      throw new Error('asked')
    },
  })

const requests: [method: string, ...args: unknown[]][] = [
  ['startChild'],
  ['startChild', null],
  ['startChild', 'part'],
  ['startChild', { id: 'part', module: Part }],
  ['startChild', { id: 'more', module: Part, args: 'x' }],
  ['startChild', { id: 'more', module: oddClass() }],
  ['restartChild', Symbol('part')],
  ['deleteChild', Object.create(null)],
  ['deleteChild', 'part'],
  ['terminateChild'],
  ...Object.values(oddValues).map((odd): [string, unknown] => ['startChild', odd()]),
  ...Object.values(oddValues).map((odd): [string, unknown] => ['terminateChild', odd()]),
]

const supervised = async () => {
  const { node } = testKernel()
  const children = [{ id: 'part', module: Part, name: 'part' }]
  const supervisor = await Supervisor.start(node, { children })
  return { node, supervisor, part: node.whereis('part') }
}

test('one node: a supervisor that is called with nonsense refuses it and keeps its children', async () => {
  const { node, supervisor, part } = await supervised()
  for (const [method, ...args] of requests) {
    const error = await node.call(supervisor, method as never, ...(args as never)).catch((e) => e)
    expect(error).toBeInstanceOf(CitadelError)
    expect(error.code).toMatch(/^(bad_argument|not_found|already_started)$/)
  }
  expect(await node.call(supervisor, 'countChildren')).toEqual({ specs: 1, active: 1 })
  expect(node.whereis('part')).toBe(part)
})

test('one node: a supervisor that is cast what it cannot do keeps its children', async () => {
  const { node, supervisor, part } = await supervised()
  for (const [method, ...args] of requests) {
    node.cast(supervisor, method as never, ...(args as never))
    await rest()
  }
  expect(await node.call(supervisor, 'countChildren')).toEqual({ specs: 1, active: 1 })
  expect(node.whereis('part')).toBe(part)
})
