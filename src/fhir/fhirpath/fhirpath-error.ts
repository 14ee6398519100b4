// What every part of the engine throws. https://hl7.org/fhirpath/

/** An expression that cannot be read, or cannot be evaluated on what it was given. The text quotes no data. */
export class FhirPathError extends Error {}

/** What was asked of a port and is not known: the evaluation has no outcome. */
export class Unknown extends FhirPathError {}
