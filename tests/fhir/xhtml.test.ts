// https://hl7.org/fhir/R4/narrative.html#xhtml
import { describe, expect, it } from 'vitest';
import { narrativeProblems } from '../../src/fhir/xhtml.js';

const rules = (html: string): string[] => narrativeProblems(html).map(({ rule }) => rule);
const div = (inside: string): string => `<div xmlns="http://www.w3.org/1999/xhtml">${inside}</div>`;

describe('narrativeProblems', () => {
  it.each([
    'x',
    '<p class="a" style="color: red" title=\'b\'>x<br/>y</p>',
    '<table border="1"><tbody><tr><td colspan="2">&lt;&#160;&#xA0;</td></tr></tbody></table>',
    '<img src="#pic" alt="x"/>',
    '<img src="data:image/png;base64,AAAA" alt="x"/>',
    '<a href="https://e.x/?a=1&amp;b=2">x</a> <a href="mailto:a@e.x">y</a> <a href="tel:1">z</a> <a href="#a" name="a">w</a> <a href="Patient/1">v</a>',
    '<!-- a comment <script> -->x',
    '<pre xml:space="preserve">x</pre>',
    '<ul><li>x</li></ul><ol start="3"><li>y</li></ol>',
  ])('has nothing against %s', inside => {
    expect(rules(div(inside))).toEqual([]);
  });
  it.each([
    ['<script>x</script>', 'txt-1'],
    ['<SCRIPT>x</SCRIPT>', 'txt-1'],
    ['<iframe src="https://e.x"></iframe>x', 'txt-1'],
    ['<form><p>x</p></form>', 'txt-1'],
    ['<p onclick="x()">x</p>', 'txt-1'],
    ['<a href="javascript:x()">x</a>', 'txt-1'],
    ['<a href=" java&#10;script:x()">x</a>', 'txt-1'],
    ['<a href="data:text/html,x">x</a>', 'txt-1'],
    ['<a href="urn:uuid:1">x</a>', 'link'],
    ['<p>x', 'xhtml'],
    ['<p>x</b></p>', 'xhtml'],
    ['<p class=a>x</p>', 'xhtml'],
    ['<p class="<">x</p>', 'xhtml'],
    ['a < b', 'xhtml'],
    ['a & b', 'xhtml'],
    ['&nbsp;x', 'xhtml'],
    ['<![CDATA[x]]>', 'xhtml'],
    ['<?php x ?>x', 'xhtml'],
    ['<!-- x', 'xhtml'],
    ['<p/> <b> \n</b>', 'txt-2'],
    ['', 'txt-2'],
    ['<p xmlns="http://e.x">x</p>', 'xhtml'],
  ])('refuses %s', (inside, rule) => {
    expect(rules(div(inside))).toContain(rule);
  });
  it.each([
    '',
    'x',
    '<p xmlns="http://www.w3.org/1999/xhtml">x</p>',
    '<div>x</div>',
    `${div('x')}y`,
    `y${div('x')}`,
    div('x') + div('x'),
    '<!DOCTYPE html><div>x</div>',
  ])('asks for one div of the right namespace: %s', html => {
    expect(rules(html)).toContain('xhtml');
  });
  it('ends on what is endless', () => {
    expect(rules(div('<p>'.repeat(100_000)))).toContain('xhtml');
    expect(rules(div(`<p ${'a="b" '.repeat(50_000)}`)).length).toBeGreaterThan(0);
    expect(rules(div(`x${'&'.repeat(200_000)}`))).toContain('xhtml');
    expect(rules(div(`<!--${'-'.repeat(500_000)}`))).toContain('xhtml');
    expect(narrativeProblems(div('<x>y</x>'.repeat(1000) + '<z>y</z>')).length).toBe(2);
  });
});
