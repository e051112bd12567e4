/** What the mesh serves itself, so that the processes of the node never hear of it. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Atom } from '../../../src/term/atom.js'
import { ImproperList } from '../../../src/term/improper-list.js'
import { Ref } from '../../../src/term/ref.js'
import { Tuple } from '../../../src/term/tuple.js'
import { eventually } from '../../support/eventually.js'
import { freePort } from '../../support/free-port.js'
import { MeshNode } from '../../support/mesh-node.js'

const A = 'a@127.0.0.1'
const B = 'b@127.0.0.1'
const netKernel = { name: 'net_kernel', node: B }
const atom = (name: string) => new Atom(name)

describe('two nodes, of which one asks the net_kernel of the other', () => {
  let a: MeshNode
  let b: MeshNode
  let ref: Ref
  let alias: ImproperList

  beforeEach(async () => {
    const epmdPort = await freePort()
    a = new MeshNode(A, { epmdPort })
    b = new MeshNode(B, { epmdPort })
    await a.mesh.start()
    await b.mesh.start()
    expect(await a.mesh.connect(B)).toBe(true)
    ref = new Ref(A, a.mesh.creation, [1, 2, 3])
    alias = new ImproperList([atom('alias')], ref)
  })

  afterEach(() => Promise.all([a.stop(), b.stop()]))

  const ask = (tag: unknown, request: unknown) =>
    a.mesh.send(a.pid, netKernel, new Tuple(atom('$gen_call'), new Tuple(a.pid, tag), request))
  const isAuth = new Tuple(atom('is_auth'), atom(A))
  const yes = (tag: unknown) => new Tuple(tag, atom('yes'))

  test('a monitor of it, which each ping makes, does not reach the processes', async () => {
    const monitor = { type: 'monitor', from: a.pid, to: netKernel, ref } as const
    a.mesh.signal(B, monitor)
    const other = { ...monitor, to: { name: 'other', node: B } }
    a.mesh.signal(B, other)
    await eventually(() => b.sink.signals.length > 0)
    expect(b.sink.signals).toEqual([other])
  })

  test('a ping is answered with yes, under the tag it came with', async () => {
    ask(alias, isAuth)
    ask(ref, isAuth)
    await eventually(() => a.sink.messages.length === 2)
    expect(a.sink.messages).toEqual([yes(alias), yes(ref)])
  })

  test('another request is refused, so that nobody waits for ever', async () => {
    ask(alias, new Tuple(atom('spawn'), 1))
    await eventually(() => a.sink.signals.length === 1)
    const down = { type: 'down', from: netKernel, to: a.pid, ref, reason: atom('notsup') }
    expect(a.sink.signals).toEqual([down])
  })

  test('what is no call is dropped', async () => {
    for (const term of [1, new Tuple(), new Tuple(atom('$gen_call')), { a: 1 }]) {
      a.mesh.send(a.pid, netKernel, term)
    }
    ask(new Tuple(1), atom('x'))
    ask(ref, isAuth)
    await eventually(() => a.sink.messages.length > 0)
    expect(a.sink.messages).toEqual([yes(ref)])
    expect([a.sink.signals, b.sink.messages]).toEqual([[], []])
  })
})
