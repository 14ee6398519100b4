// Lists the codes of a value set, as far as the package's own code systems tell them. https://hl7.org/fhir/R4/valueset.html#compose
// Undefined means: not a closed list (mime types, languages, currencies, UCUM), so nothing is said about a code.

/** A function from value set url to its sorted codes, or undefined. */
export function codeLists(valueSets, codeSystems) {
  const known = new Map();

  const systemConcepts = url => {
    const system = codeSystems.get(url);
    if (system?.content !== 'complete') return undefined;
    const found = [];
    const visit = (concepts, ancestors) => {
      for (const concept of concepts ?? []) {
        found.push({ concept, ancestors });
        visit(concept.concept, [...ancestors, concept.code]);
      }
    };
    visit(system.concept, []);
    return found;
  };

  const passes = ({ concept, ancestors }, { property, op, value }) => {
    if (op === 'is-a' && property === 'concept') return concept.code === value || ancestors.includes(value);
    if (op === 'descendent-of' && property === 'concept') return ancestors.includes(value);
    return undefined;
  };

  const includeCodes = include => {
    let codes;
    if (include.system) {
      if (include.concept) codes = include.concept.map(c => c.code);
      else {
        const concepts = systemConcepts(include.system);
        if (!concepts) return undefined;
        const filters = include.filter ?? [];
        if (filters.some(f => passes(concepts[0], f) === undefined)) return undefined;
        codes = concepts.filter(c => filters.every(f => passes(c, f))).map(c => c.concept.code);
      }
    }
    for (const url of include.valueSet ?? []) {
      const other = codesOf(url);
      if (!other) return undefined;
      codes = codes ? codes.filter(code => other.includes(code)) : other;
    }
    return codes;
  };

  const unite = includes => {
    const lists = includes.map(includeCodes);
    return lists.includes(undefined) ? undefined : lists.flat();
  };

  const codesOf = canonical => {
    const url = valueSets.has(canonical) ? canonical : canonical.split('|')[0];
    if (!known.has(url)) {
      known.set(url, undefined);
      const compose = valueSets.get(url)?.compose;
      const included = compose && unite(compose.include);
      const excluded = compose && unite(compose.exclude ?? []);
      if (included && excluded)
        known.set(
          url,
          [...new Set(included)].filter(code => !excluded.includes(code)),
        );
    }
    return known.get(url);
  };
  return codesOf;
}
