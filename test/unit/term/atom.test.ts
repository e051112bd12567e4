import { expect, test } from 'vitest'
import { Atom } from '../../../src/term/atom.js'

test('equal atoms are the same object', () => {
  expect(new Atom('x')).toBe(new Atom('x'))
  expect(new Atom('x')).not.toBe(new Atom('y'))
})

test.each(['true', 'false', 'null'])('the atom %s is refused, because it is a value', (name) => {
  expect(() => new Atom(name)).toThrowError(/use true, false or null/)
})

test('a name has at most 255 characters, whatever they take in UTF-16', () => {
  expect(new Atom('😀'.repeat(255)).name).toHaveLength(510)
  expect(() => new Atom('😀'.repeat(256))).toThrowError(/255 characters/)
  expect(() => new Atom('x'.repeat(256))).toThrowError(/255 characters/)
})

test('a name is a well-formed string', () => {
  expect(() => new Atom('\ud800')).toThrowError(/well-formed/)
  expect(() => new Atom(5 as unknown as string)).toThrowError(/string, not number/)
})

test('an atom prints as its name', () => {
  expect(`${new Atom('hello')}`).toBe('hello')
})
